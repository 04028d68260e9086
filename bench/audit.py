"""The audit at a million events: our pages beside Django's admin, a plain paginator and the raw keyset; exports beside COPY.

BENCH_EVENTS sets how many events (1,000,000).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from urllib.parse import quote

from allauth.mfa.models import Authenticator
from django.db import connection
from django.utils import timezone

from bench.browser import Browser
from bench.download import copied, download
from bench.figures import Figure, p95, shown
from bench.people import sign_in
from bench.rows import NEEDLE, RARE, seed_up_to
from bench.site import Site
from hyperclusters.access.models import Role, Team, User
from hyperclusters.access.services import add_person, grant
from hyperclusters.audit.export import COLUMNS
from hyperclusters.audit.integrity import integrity_status
from hyperclusters.audit.models import ChainHead
from hyperclusters.audit.search import SEARCH_CONDITION, WORDS
from hyperclusters.clusters.models import Project

EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
WEEK = timedelta(days=7)
WARM, ROUNDS, SLOW_ROUNDS = 10, 40, 3
PATIENCE = 300.0  # seconds
OURS, LIMIT, ADMIN, PAGINATOR, FLOOR = (
    "/audit/",
    "/bench/limit/",
    "/bench/admin/audit/event/",
    "/bench/paginator/",
    "/floor/",
)
NOTHING = "no-such-name-anywhere"


@dataclass(frozen=True, slots=True)
class Case:
    """The same page from each of them; an empty address is not measured. `reach`: over the limit, and over the admin."""

    what: str
    ours: str
    limit: str
    admin: str = ""
    paginator: str = ""
    reach: float = 1.5
    under_admin: float = 1 / 18


def measure(site: Site) -> Iterator[Figure]:
    """Seed, then page by page; every figure is a ratio within one run."""
    olga = add_people()
    seed_up_to(EVENTS)
    wait_for_verification()
    with Browser(site.web, sign_in(olga)) as browser:
        for _ in range(WARM):
            _took(browser, OURS), _took(browser, LIMIT)
        for case in _cases():
            yield from _compared(browser, case)
        yield from _depth(browser)
        yield from _exports(browser, site)


def add_people() -> User:
    """An auditor, and teams and projects for the menus."""
    olga = User.objects.filter(username="bench-olga").first() or add_person(username="bench-olga")
    grant(person=olga, role=Role.AUDITOR, team=None, reason="the bench's cast")
    # An auditor without a second factor gets no further than the page on which they add one.
    Authenticator.objects.get_or_create(user=olga, type=Authenticator.Type.TOTP, defaults={"data": {}})
    for number in range(20):
        team, _ = Team.objects.get_or_create(slug=f"team-{number}", defaults={"name": f"Team {number}"})
        for project in (number, number + 20):
            Project.objects.get_or_create(
                name=f"project-{project:02}",
                defaults={
                    "team": team,
                    "endpoint": "http://127.0.0.1:1",
                    "project_id": f"bench{project:02}",
                    "sealed_credentials": "-",
                },
            )
    return olga


def wait_for_verification() -> None:
    """A worker verifies what is new: here a million events at once, and pages would be measured beside that."""
    end, until = ChainHead.objects.get().seq, time.monotonic() + PATIENCE
    while integrity_status().seq < end and time.monotonic() < until:
        time.sleep(1)


def _cases() -> list[Case]:
    last = f"?p={EVENTS // 50}"
    week = f"at >= '{timezone.now() - WEEK:%Y-%m-%d %H:%M:%S}+00'"
    if connection.vendor == "sqlite":
        week = week.replace("+00", "")
    mixed = f"person_name='person-000' AND outcome='failed' AND {week}"
    since = f"{timezone.now() - WEEK:%Y-%m-%d %H:%M:%S}"
    like = f"upper({WORDS}) LIKE upper('%{{}}%') AND {SEARCH_CONDITION}"
    if connection.vendor == "sqlite":
        like = "seq IN (SELECT rowid FROM audit_event_name WHERE audit_event_name MATCH '\"{}\"')"
    under = 1 / 50 if connection.vendor == "sqlite" else 1 / 80
    return [
        Case("first page", "", "", ADMIN, f"{PAGINATOR}"),
        Case("last page", "?after=0", "?order=ASC", f"{ADMIN}{last}", f"{PAGINATOR}?page=last"),
        Case("person + outcome + week", "?person=person-000&outcome=failed&range=7d", f"?where={quote(mixed)}",
             f"{ADMIN}?outcome__exact=failed&person_name=person-000&at__gte={quote(since)}", under_admin=1.0),
        Case("search a name, 210 hits", f"?q={NEEDLE}", f"?where={quote(like.format(NEEDLE))}", f"{ADMIN}?q={NEEDLE}", under_admin=under),
        Case("search, no hit", f"?q={NOTHING}", f"?where={quote(like.format(NOTHING))}", f"{ADMIN}?q={NOTHING}", under_admin=under, reach=99),
    ]  # fmt: skip


def _compared(browser: Browser, case: Case) -> Iterator[Figure]:
    ours, limit = OURS + case.ours, LIMIT + case.limit
    seconds = times(browser, [ours, limit, FLOOR], ROUNDS)
    mine = seconds[ours]
    if case.reach < 99:
        yield Figure(
            f"{case.what} over the limit",
            shown(mine),
            shown(seconds[limit]),
            median(mine) / median(seconds[limit]),
            case.reach,
        )
    else:  # an empty table is no yardstick for a whole page: what matches nothing is held to the first page
        yield Figure(
            f"{case.what} over the first page",
            shown(mine),
            shown(seconds[FLOOR]),
            median(mine) / _first(browser),
            1.2,
        )
    for what, path, reach in (
        ("Django admin", case.admin, case.under_admin),
        ("plain Paginator", case.paginator, 1.0),
    ):
        if path:
            other = times(browser, [path], SLOW_ROUNDS)[path]
            yield Figure(
                f"{case.what} over {what}", shown(mine), shown(other), median(mine) / median(other), reach
            )


def _first(browser: Browser) -> float:
    return median(times(browser, [OURS], ROUNDS // 2)[OURS])


def _depth(browser: Browser) -> Iterator[Figure]:
    """Any depth, both directions, and any combination of filters: none is slower than the first page."""
    head = ChainHead.objects.get().seq
    deep = [f"{OURS}?{way}={head * part // 20}" for part in range(1, 20) for way in ("before", "after")]
    for what, paths in (
        ("any depth, both ways, p95", deep),
        ("any combination of filters, p95", combinations()),
    ):
        taken = times(browser, [each for path in paths for each in (path, OURS)], 4)
        rest, first = [seconds for path in paths for seconds in taken[path]], taken[OURS]
        slowest = max(paths, key=lambda path: median(taken[path]))
        yield Figure(f"{what} over the first page's", shown(rest), shown(first), p95(rest) / p95(first), 1.2)
        yield Figure(
            f"  the slowest: {slowest[len(OURS) :]}"[:61],
            shown(taken[slowest]),
            shown(first),
            median(taken[slowest]) / median(first),
            None,
        )


def combinations() -> list[str]:
    """Common with common, common with rare, and several that nothing fits."""
    people, outcomes = ("person-000", "person-117", RARE), ("done", "failed", "denied", "unknown")
    names = [f"?person={person}&outcome={outcome}" for person in people for outcome in outcomes]
    names += [
        f"?person={person}&action={action}"
        for person in people
        for action in ("cluster:create:succeeded", "cluster:list:failed", "access:grant:added")
    ]
    names += [f"?team=team-{team}&outcome={outcome}" for team in (0, 7) for outcome in outcomes]
    names += [
        f"?project=project-{project}&outcome={outcome}&range={span}"
        for project in ("00", "27")
        for outcome in outcomes
        for span in ("24h", "30d")
    ]
    names += [f"?team=team-3&person=person-000&outcome={outcome}" for outcome in outcomes]
    names += [f"?ip=10.0.1.{host}&action=cluster:create:requested" for host in (1, 2, 200)]
    names += [
        f"?range={span}&outcome={outcome}" for span in ("1h", "24h", "7d", "30d") for outcome in outcomes
    ]
    names += [
        "?since=2020-01-01&until=2020-02-01",
        "?cluster=train-000001-hps",
        "?request=0123456789abcdef",
        "?ip=203.0.113.9&outcome=done",
        "?reason=Baseline",  # a third of all events
        "?reason=no-such-word",
        "?q=train",
    ]
    return [OURS + each for each in names]


def _exports(browser: Browser, site: Site) -> Iterator[Figure]:
    """The whole ledger as a file, beside COPY and beside the streaming recipe over a tenth of it."""
    stored = [name for name in COLUMNS if name != "previous"]  # which is a part of the text
    for form, columns in (("csv", stored), ("jsonl", ("digest", "canonical"))):
        ours = download(site, browser, "/audit/export/", form)
        if connection.vendor == "postgresql":
            yardstick = copied(columns)
            yield Figure(
                f"export of all as {form} over COPY",
                f"{ours.seconds:.1f} s",
                f"{yardstick:.1f} s",
                ours.seconds / yardstick,
                1.2,
            )
        yield Figure(
            f"  its first byte ({form})", f"{ours.first * 1000:.0f} ms", "100 ms", ours.first / 0.1, 1.0
        )
        yield Figure(
            f"  its memory over idle ({form})", f"{ours.grown:.1f} MiB", "16 MiB", ours.grown / 16, 1.0
        )
        if connection.vendor != "postgresql":
            continue  # how fast is asked of PostgreSQL alone
        recipe = download(site, browser, "/bench/stream/", "")
        yield Figure(
            f"export of all as {form} over the recipe",
            f"{ours.seconds:.1f} s",
            f"{recipe.seconds:.1f} s",
            ours.seconds / recipe.seconds,
            1 / 7,
        )


def times(browser: Browser, paths: list[str], rounds: int) -> dict[str, list[float]]:
    """Each in turn, so many times."""
    seconds: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(rounds):
        for path in paths:
            seconds[path].append(_took(browser, path))
    return seconds


def _took(browser: Browser, path: str) -> float:
    started = time.perf_counter()
    browser.get(path)
    return time.perf_counter() - started
