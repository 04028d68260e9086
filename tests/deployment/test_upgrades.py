"""G35: from the first release's schema, with data, to the newest; and replicas of both releases on it meanwhile."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from hyperclusters.access.access_reviews import complete, decide, open_review
from hyperclusters.access.models import Team, User
from hyperclusters.access.review_records import evidence
from hyperclusters.access.services import add_team
from hyperclusters.accounts.models import CompanyAccount
from hyperclusters.audit import integrity, structure, tasks, verification
from hyperclusters.audit.chain import COLUMNS, GENESIS, PendingEvent, digest
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Cluster, KeyKind, Project, State
from tests.accounts.bent_provider import BentProvider
from tests.accounts.conftest import bendable, bent_process

__all__ = ["bendable", "bent_process"]

FIRST = [("access", "0001_initial"), ("clusters", "0001_initial")]


def migrate(targets: list[tuple[str, str]]) -> Any:
    """Take the schema there; the models as they were then."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


@pytest.fixture
def newest(database: None) -> Any:
    """The names of the newest migrations; the schema is back at them afterwards, whatever happened."""
    targets = list(MigrationExecutor(connection).loader.graph.leaf_nodes())
    yield targets
    migrate(targets)


def test_g35_data_of_the_first_release_is_read_by_the_newest_and_both_can_write(newest: Any) -> None:
    old = migrate(FIRST)
    person = old.get_model("access", "User").objects.create(username="ada", password="!")
    team = old.get_model("access", "Team").objects.create(slug="vision", name="Vision")

    def connect(apps: Any, name: str) -> Any:
        return apps.get_model("clusters", "Project").objects.create(
            name=name, team_id=team.pk, endpoint="http://127.0.0.1:1", project_id=name, sealed_credentials="x"
        )

    def ask(apps: Any, project: Any) -> Any:
        return apps.get_model("clusters", "Creation").objects.create(
            project_id=project.pk, name="one", type="HPS", token=project.name.ljust(32, "0").encode().hex()[:32],
            requested_by_id=person.pk, state="created", settled_at=timezone.now(),
        )  # fmt: skip

    first = connect(old, "before")
    ask(old, first)
    migrate(newest)
    locked_project = Project.objects.get(name="before")
    assert (locked_project.key_kind, locked_project.sealed_with, locked_project.key_until) == (
        KeyKind.STATIC,
        "",
        None,
    )
    assert locked_project.creations.get().state == State.CREATED
    meanwhile = connect(old, "meanwhile")  # a replica of the old release, not yet replaced
    ask(old, meanwhile)
    assert Project.objects.get(name="meanwhile").key_kind == KeyKind.STATIC
    assert Project.objects.get(name="meanwhile").creations.get().request_id == ""


def test_g35_every_migration_goes_back(newest: Any) -> None:
    migrate([("clusters", "0001_initial"), ("audit", "0001_initial")])


def test_g40_an_upgraded_database_has_the_structure_of_a_new_one(newest: Any) -> None:
    migrate([("clusters", "0001_initial"), ("audit", "0001_initial")])
    migrate(newest)
    assert structure.changes() == {}


BEFORE_OWNERS = "0011_idempotent_deletions"
BEFORE_IDENTITIES = [
    ("access", "0005_one_clock"),
    ("accounts", "0002_one_clock"),
    ("socialaccount", "0006_alter_socialaccount_extra_data"),
]


def test_clusters_of_the_release_before_get_their_owners(newest: Any) -> None:
    others = [(app, name) for app, name in newest if app != "clusters"]
    old = migrate([("clusters", BEFORE_OWNERS), *others])
    ada, olga, nina = (
        old.get_model("access", "User").objects.create(username=name, password="!")
        for name in ("ada", "olga", "nina")
    )
    team = old.get_model("access", "Team").objects.create(slug="vision", name="Vision")
    project = old.get_model("clusters", "Project").objects.create(
        name="p", team=team, endpoint="http://127.0.0.1:1", project_id="p", sealed_credentials="x"
    )
    creation = old.get_model("clusters", "Creation").objects.create(
        project=project, name="made", type="HPS", token=uuid.uuid4(), requested_by=ada, state="created"
    )

    def cluster(apps: Any, name: str, **more: Any) -> Any:
        now = timezone.now()
        return apps.get_model("clusters", "Cluster").objects.create(
            project_id=project.pk, cluster_id=name, name=name, type="HPS", found_at=now, seen_at=now, **more
        )

    cluster(old, "made", creation=creation)
    claimed, accepted = cluster(old, "claimed"), cluster(old, "accepted")
    cluster(old, "new")
    review = old.get_model("clusters", "Review").objects
    review.create(cluster=claimed, judgement="claimed", claimed_for=nina, by=olga, at=timezone.now())
    review.create(cluster=accepted, judgement="accepted", by=olga, at=timezone.now())
    migrate(newest)
    cluster(old, "meanwhile")  # a replica of the old release, not yet replaced
    owners = dict(Cluster.objects.values_list("name", "owner__username"))
    assert owners == {"made": "ada", "claimed": "nina", "accepted": None, "new": None, "meanwhile": None}
    assert not Cluster.objects.filter(locked_at__isnull=False).exists()


def test_g35_access_that_was_reviewed_before_stays_reviewed_and_a_review_can_be_opened(newest: Any) -> None:
    others = [(app, name) for app, name in newest if app != "access"]
    old = migrate([("access", "0010_layered_grants"), *[each for each in others if each[0] == "audit"]])
    people, grants = (old.get_model("access", name).objects for name in ("User", "Grant"))
    team = old.get_model("access", "Team").objects.create(slug="vision", name="Vision")
    tom, ada = (people.create(username=name, password="!") for name in ("tom", "ada"))
    terms = {"team": team, "reason": "before"}
    grants.create(person=tom, role="admin", **terms)
    before = timezone.now() - timedelta(days=90)
    grants.create(person=ada, role="creator", reviewed_at=before, reviewed_by=tom, **terms)
    migrate(newest)
    by = User.objects.get(username="tom")
    review = open_review(Team.objects.get(), due_on=timezone.now().date(), by=by)
    assert review.items.get(grant__person__username="ada").grant.reviewed_at == before
    counts = decide(review, by=by, marks={each.grant_id: "-" for each in review.items.all()}, keep_rest=True)
    assert (counts.kept_count, counts.open_count) == (1, 1)
    grants.create(
        person=people.create(username="vera", password="!"), role="viewer", **terms
    )  # by the old release
    complete(review, by=by)
    assert [row["person"] for row in evidence(review)["grants"] if row["given_during_review"]] == ["vera"]


def test_g35_g43_people_of_each_kind_are_the_same_people_after_the_upgrade(
    newest: Any, bendable: BentProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    old = migrate(BEFORE_IDENTITIES)
    people, links = (
        old.get_model("access", "User").objects,
        old.get_model("socialaccount", "SocialAccount").objects,
    )
    team = old.get_model("access", "Team").objects
    for name, address in (
        ("ada", "Ada@example.com"),
        ("zoe", "zoe@example.com"),
        ("jo", "jo@example.com"),
        ("bot", ""),
        ("one", "shared@example.com"),
        ("two", "SHARED@example.com"),
        ("kay", "\u212aay@example.com"),
        ("key", "kay@example.com"),
    ):
        people.create(username=name, email=address, password="!")
    for name, subject in (("zoe", "zoe-1"), ("jo", "jo-1"), ("jo", "jo-2")):
        links.create(user_id=people.get(username=name).pk, provider="company", uid=subject)
    for slug, name in (("vision", "Vision"), ("vision-2", "VISION"), ("odd", "V\u200bision")):
        team.create(slug=slug, name=name)
    migrate(newest)
    text = capsys.readouterr().out
    assert "shared@example.com is taken from one, two" in text
    assert "jo-2 is not linked any more" in text
    assert dict(User.objects.values_list("username", "email")) == {
        "ada": "Ada@example.com",
        "zoe": "zoe@example.com",
        "jo": "jo@example.com",
        "bot": "",
        "one": "",
        "two": "",
        "kay": "\u212aay@example.com",
        "key": "kay@example.com",
    }
    assert set(CompanyAccount.objects.values_list("person__username", "subject")) == {
        ("zoe", "zoe-1"),
        ("jo", "jo-1"),
    }
    assert [each.name for each in Team.objects.order_by("pk")] == ["Vision", "VISION", "V\u200bision"]
    with pytest.raises(ValidationError):
        add_team(slug="other", name="vision")
    team.create(slug="meanwhile", name="Meanwhile")  # by a replica of the old release
    for subject, address, name in (
        ("zoe-1", "zoe@example.com", "zoe"),
        ("jo-1", "jo@example.com", "jo"),
        ("ada-1", "ada@EXAMPLE.com", "ada"),
        ("kay-1", "kay@example.com", "key"),
    ):
        bendable.says(sub=subject, email=address)
        bendable.visit()
        account = CompanyAccount.objects.get(subject=subject)
        assert (account.issuer, account.person.username) == (bendable.issuer, name)


LAST_KEYS = [("k2", b"2" * 32), ("k1", b"1" * 32)]  # newest first: the second was replaced by a restart


def append_as_before(count: int, key_id: str) -> None:
    """Events as the release before activations wrote them: it moved the chain's end and named no key there."""
    with connection.cursor() as cursor:
        for _ in range(count):
            cursor.execute("SELECT seq, digest FROM audit_head")
            seq, previous = cursor.fetchone()
            event = Event(at=timezone.now(), action="audit:read", outcome="done", source="page", seq=seq + 1)
            key = dict(LAST_KEYS)[key_id]
            event.key_id = key_id
            event.canonical, event.digest = PendingEvent(event).seal(seq + 1, previous, key_id, key)
            cursor.execute(
                f"INSERT INTO audit_event ({', '.join(chr(34) + name + chr(34) for name in COLUMNS)}) "
                f"VALUES ({', '.join(['%s'] * len(COLUMNS))})",
                [
                    connection.ops.adapt_datetimefield_value(event.at)
                    if name == "at"
                    else getattr(event, name)
                    for name in COLUMNS
                ],
            )
            cursor.execute("UPDATE audit_head SET seq = %s, digest = %s", [seq + 1, event.digest])


def test_g35_a_ledger_of_the_release_before_is_intact_without_any_act(
    newest: Any, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_KEYS, settings.AUDIT_ANCHORS = LAST_KEYS, tmp_path / "anchors.jsonl"
    old = migrate([("audit", "0006_pairs")])
    append_as_before(3, "k1")
    append_as_before(3, "k2")
    head = old.get_model("audit", "Head").objects.get()
    old.get_model("audit", "Verification").objects.create(
        kind="whole", at=timezone.now(), seconds=1, count=6, seq=6, digest=head.digest
    )
    later = timezone.now() + timedelta(hours=20)
    old.get_model("audit", "Duty").objects.create(name="verify whole", due_at=later)
    first = Event.objects.values_list("digest", flat=True).get(seq=2)
    segment = old.get_model("audit", "Segment")(
        first=1, last=2, previous=GENESIS, digest=first, file="f", sha256="s", archived_at=timezone.now(), key_id="k2"
    )  # fmt: skip
    said = (1, 2, GENESIS, first, "f", "s")
    segment.seal = digest(LAST_KEYS[0][1], "\n".join(map(str, said)))
    segment.save()
    Event.objects.filter(seq__lte=2)._raw_delete("default")
    migrate(newest)
    assert integrity.integrity_status().state == "never"  # that one had no seal
    append_as_before(1, "k2")  # a replica of the old release, not yet replaced
    tasks.run_due()
    assert integrity.integrity_status().findings == ()
    assert integrity.integrity_status().state == "intact"
    record(EventType.AUDIT_READ, Outcome.DONE)
    assert Event.objects.order_by("seq").values_list("key_id", flat=True).last() == "k2"
    append_as_before(1, "k2")
    record(EventType.AUDIT_READ, Outcome.DONE)
    assert verification.verify().findings == verification.verify_new().findings == []
