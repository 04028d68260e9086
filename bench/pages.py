"""Every page beside the same page of a stock Django project, in CPU: on a busy machine times mean little.

BENCH_CLUSTERS sets how many clusters there are (100,000), half of them created here. A ratio compares CPU of the web
processes and the database together; the times beside it are of the same requests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from allauth.mfa.models import Authenticator
from django.db import connection

from bench import crowd
from bench.audit import wait_for_verification
from bench.browser import Browser
from bench.figures import Figure
from bench.people import Crew, crew, sign_in, stock
from bench.processes import free_port, running
from bench.rows import seed_up_to
from bench.site import WEB, Site, wait_for
from hyperclusters.access.models import Role, User
from hyperclusters.access.services import add_person, grant
from hyperclusters.clusters.models import Cluster

CLUSTERS = int(os.environ.get("BENCH_CLUSTERS", "100000"))
EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
MEMBERS = 500
STOCK = "bench.stock.wsgi"
WARM, TURNS, ROUNDS = 3, 7, 8  # requests before; turns; requests of a turn


@dataclass(frozen=True, slots=True)
class Side:
    """A browser, and whose CPU its pages use. Several addresses are asked for one after the other: rows that were not
    drawn before."""

    browser: Browser
    site: Site
    paths: tuple[str, ...]

    def cost(self) -> tuple[float, float]:
        """CPU and wall time in milliseconds of one round, the mean of a turn."""
        web, database, started = self.site.web_cpu(), database_cpu(self.site), time.perf_counter()
        for number in range(ROUNDS):
            self.browser.get(self.paths[number % len(self.paths)])
        wall = time.perf_counter() - started
        used = sum(seconds - database.get(pid, 0.0) for pid, seconds in database_cpu(self.site).items())
        return (self.site.web_cpu() - web + used) / ROUNDS * 1000, wall / ROUNDS * 1000


@dataclass(frozen=True, slots=True)
class Case:
    what: str
    ours: Side
    yardstick: Side
    reach: float | None


def measure(site: Site) -> Iterator[Figure]:
    """Seed, then each page beside its yardstick, turn by turn."""
    small, team = crew(site, "small", projects=1), crew(site, "large", projects=20)
    stock(small, 100)
    stock(team, CLUSTERS)
    seed_up_to(EVENTS)
    wait_for_verification()
    _members(team)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with _stock(site) as plain:
        for case in _cases(site, plain, small, team):
            yield _compared(case)
        olga = _with_factor("bench-olga", Role.AUDITOR)
        yield from crowd.measure(
            (site.web, sign_in(olga), "/audit/"), (plain.web, _plain_session(plain, team.creator), "/events/")
        )
    yield _review(site, olga)


def _cases(site: Site, plain: Site, small: Crew, team: Crew) -> Iterator[Case]:
    def ours(person: User, *paths: str) -> Side:
        return Side(Browser(site.web, sign_in(person)), site, paths)

    def theirs(*paths: str) -> Side:
        return Side(Browser(plain.web, _plain_session(plain, team.creator)), plain, paths)

    ada, olga, root = team.creator, _with_factor("bench-olga", Role.AUDITOR), _root()
    last = CLUSTERS // 50
    some = Cluster.objects.filter(project__in=team.projects).order_by("pk")[CLUSTERS // 2]
    cold = [f"/clusters/?page={number}" for number in range(1, ROUNDS * 2)]
    first, empty = ours(ada, "/clusters/"), ours(ada, "/bench/empty/")
    yield Case("empty page over a stock page", empty, theirs("/base/"), 1.5)
    yield Case("audit, first page, over the keyset limit", ours(olga, "/audit/"), theirs("/keyset/"), 1.4)
    yield Case(
        "  its second request as well", ours(olga, "/audit/", "/audit/summary/"), theirs("/keyset/"), 1.0
    )
    yield Case("audit, first page, over a plain list", ours(olga, "/audit/"), theirs("/events/"), 1.0)
    yield Case("clusters, cold rows, over a plain list", ours(ada, *cold), theirs(*cold), 0.8)
    for what, query in (
        ("page 1,000", "page=1000"),
        ("last page", f"page={last}"),
        ("sorted by name", "sort=name"),
        ("sorted by name, the last first", "sort=-name"),
        ("sorted by owner", "sort=owner"),
    ):
        yield Case(f"clusters, {what}, over the first", ours(ada, f"/clusters/?{query}"), first, 1.5)
    for what, text in (("an ID", some.cluster_id[4:16]), ("nothing", "no-such-thing")):
        yield Case(
            f"clusters, search for {what}, over the first", ours(ada, f"/clusters/?q={text}"), first, 2.0
        )
    few = ours(small.creator, "/creations/")
    yield Case("creations, many, over few", ours(ada, "/creations/"), few, 1.3)
    yield Case("creations, a late page, over few", ours(ada, f"/creations/?page={last // 2 - 1}"), few, 1.3)
    for person, what in ((ada, "creator"), (olga, "auditor"), (root, "platform admin")):
        yield Case(
            f"home of a {what} over an empty page", ours(person, "/"), ours(person, "/bench/empty/"), 2.0
        )
    yield Case(
        f"team of {MEMBERS} over a team of one",
        ours(ada, "/teams/large/"),
        ours(small.creator, "/teams/small/"),
        1.3,
    )


def _plain_session(plain: Site, person: User) -> str:
    with Browser(plain.web) as visitor:
        return visitor.get(f"/sign-in/{person.pk}/").text


def _review(site: Site, auditor: User) -> Figure:
    """The queue with everything in it, then with nothing left: each in turn with an empty page, whose CPU is their common
    measure."""

    def side(path: str) -> Side:
        return Side(Browser(site.web, sign_in(auditor)), site, (path,))

    many, nothing = (Case("", side("/audit/review/"), side("/bench/empty/"), None) for _ in range(2))
    full = _compared(many)
    with connection.cursor() as cursor:
        for column, rows in (
            ("creation_id", "clusters_creation WHERE true"),
            ("cluster_id", "clusters_cluster WHERE creation_id IS NULL"),
        ):
            cursor.execute(
                f"INSERT INTO clusters_review ({column}, judgement, note, by_id, at) "  # noqa: S608 -- our own words
                f"SELECT id, 'reviewed', '', {auditor.pk}, CURRENT_TIMESTAMP FROM {rows} "
                f"AND id NOT IN (SELECT {column} FROM clusters_review WHERE {column} IS NOT NULL)"
            )
        cursor.execute("ANALYZE")
    empty = _compared(nothing)
    return Figure("review, many, over an empty queue", full.ours, empty.ours, full.ratio / empty.ratio, 2.0)


def _compared(case: Case) -> Figure:
    for side in (case.ours, case.yardstick):
        for _ in range(WARM):
            side.cost()
    turns = [(case.ours.cost(), case.yardstick.cost()) for _ in range(TURNS)]
    ours, yardstick = zip(*turns, strict=True)
    ratio = median(mine[0] / other[0] for mine, other in turns)
    return Figure(case.what, _text_of(ours), _text_of(yardstick), ratio, case.reach)


def _text_of(turns: tuple[tuple[float, float], ...]) -> str:
    cpu, wall = (median(values) for values in zip(*turns, strict=True))
    return f"{cpu:.1f} ms CPU, {wall:.0f} wall"


def database_cpu(site: Site) -> dict[int, float]:
    """Seconds of CPU that each of the database's processes for these web processes has used; SQLite is in the web's."""
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s",
            [f"gunicorn {site.wsgi}"],
        )
        stats = {pid: Path(f"/proc/{pid}/schedstat") for (pid,) in cursor.fetchall()}
    return {pid: int(stat.read_text().split()[0]) / 1e9 for pid, stat in stats.items() if stat.exists()}


@contextmanager
def _stock(site: Site) -> Iterator[Site]:
    """The stock project on the same database, as many processes and threads."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.stock.settings"
    address = f"127.0.0.1:{free_port()}"
    try:
        with running("django", "migrate", "sessions", "--run-syncdb", log=site.log) as migration:
            migration.wait(60)
        with running(
            "gunicorn",
            STOCK,
            "--config",
            "python:bench.stock",
            "--bind",
            address,
            *WEB,
            log=site.log,
        ) as web:
            wait_for(f"http://{address}/admin/login/", site.log)
            yield replace(site, web=address, web_pid=web.pid, wsgi=STOCK)
    finally:
        os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"


def _with_factor(username: str, role: Role) -> User:
    person = User.objects.filter(username=username).first() or add_person(username=username)
    grant(person=person, role=role, team=None, reason="the bench's cast")
    # Without a second factor they get no further than the page on which they add one.
    Authenticator.objects.get_or_create(user=person, type=Authenticator.Type.TOTP, defaults={"data": {}})
    return person


def _root() -> User:
    root = User.objects.get(username="root")
    Authenticator.objects.get_or_create(user=root, type=Authenticator.Type.TOTP, defaults={"data": {}})
    return root


def _members(team: Crew) -> None:
    for number in range(MEMBERS - 1):
        member = add_person(username=f"member-{number:03}")
        grant(person=member, role=Role.VIEWER, team=team.team, reason="the bench's cast")
