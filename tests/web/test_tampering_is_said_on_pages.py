"""Tampering reaches those who must look at it where they look first, and whoever looks at an event."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from django.db.models import Q

from hyperclusters.access.models import Grant, Role
from hyperclusters.audit import clock, integrity, verification
from hyperclusters.audit.acknowledgements import acknowledge
from hyperclusters.audit.findings import IntegrityIssue
from hyperclusters.audit.models import Event
from hyperclusters.clusters.models import Creation
from hyperclusters.web.audit.views.integrity import FindingRow
from hyperclusters.web.texts.integrity import detail_text
from tests.audit import tampering as mallory
from tests.conftest import People, Projects, run_worker, submit_creation
from tests.web.badges import badge
from tests.web.pages import SignIn, body, main

pytestmark = pytest.mark.any_database
WORDS = "Somebody changed the audit outside this dashboard"


def edit(seq: int, **values: Any) -> None:
    """Change an event in the database, and verify."""
    mallory.unguarded(partial(mallory.change, seq, **values))
    verification.note(integrity.WHOLE, verification.verify())


@pytest.fixture
def creation(people: People, projects: Projects) -> Creation:
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    return creation


@pytest.fixture
def edited_seq(creation: Creation) -> int:
    """The number of an event whose columns differ from its sealed text."""
    seq = Event.objects.filter(object_id=str(creation.pk)).order_by("seq").values_list("seq", flat=True)[0]
    edit(seq, reason="another")
    return seq


def test_an_auditor_reads_of_tampering_first_on_home_and_in_the_inbox(
    edited_seq: int, people: People, as_: SignIn
) -> None:
    olga, ada = as_("olga"), as_("ada")
    home = olga.get("/")
    assert f"Needs you {WORDS} 1 open finding" in main(home)
    assert main(home).count(WORDS) == 1, "not among what changed as well"
    assert 'href="/audit/chain/"' in body(home)
    assert f"Needs you {WORDS} 1 open finding" in main(olga.get("/inbox/"))
    assert main(olga.get("/inbox/")).count(WORDS) == 1
    assert badge(people.olga) == 1
    assert all(WORDS not in body(ada.get(path)) for path in ("/", "/inbox/"))


def test_nobody_who_runs_the_platform_reads_that_all_is_well_beside_tampering(
    edited_seq: int, people: People, projects: Projects, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    Grant.objects.create(person=people.root, role=Role.AUDITOR, reason="both")
    monkeypatch.setattr("hyperclusters.web.pages.views.home.has_worker_beat", lambda: True)
    monkeypatch.setattr("hyperclusters.web.pages.views.home._is_project_well", lambda: Q(pk__isnull=False))
    page = main(as_("root").get("/"))
    assert f"Needs you {WORDS}" in page
    assert "Tell" not in page
    assert "Everything is working" not in page


def test_root_is_told_who_must_look_at_tampering_and_nothing_of_it(
    edited_seq: int, people: People, as_: SignIn
) -> None:
    root = as_("root")
    page = main(root.get("/"))
    assert f"{WORDS} The integrity check found changes." in page
    assert "Tell olga now." in page
    assert "Everything is working" not in page
    assert "finding" not in page
    Grant.objects.filter(person=people.olga).update(ended_at=clock.now())
    assert "there is none. Give somebody the role." in main(root.get("/"))


def test_the_page_and_the_row_of_an_edited_event_say_so(edited_seq: int, as_: SignIn) -> None:
    olga, sentence = as_("olga"), "Somebody edited this event in the database"
    page = main(olga.get(f"/audit/{edited_seq}/"))
    assert f"{sentence} The event's columns differ from its sealed text." in page
    assert sentence not in body(olga.get(f"/audit/{edited_seq + 1}/"))
    assert main(olga.get("/audit/")).count("Edited") == 2  # of the event, and of the newest of its creation


def test_the_page_of_an_edited_event_has_both_values_and_the_acknowledgement(
    edited_seq: int, people: People, as_: SignIn
) -> None:
    olga = as_("olga")
    answer = olga.get(f"/audit/{edited_seq}/")
    assert "Edited values Field Sealed Stored now Reason (empty) another" in main(answer)
    assert '<div class="notice bad"' in body(answer)
    assert "Edited values" not in main(olga.get(f"/audit/{edited_seq + 1}/"))
    acknowledge(integrity.integrity_status().findings, reason="Case 12", person=people.olga)
    answer = olga.get(f"/audit/{edited_seq}/")
    assert "Acknowledged by olga: “Case 12”" in main(answer)
    assert '<div class="notice warn"' in body(answer)


def test_a_stored_value_that_cannot_be_read_hides_no_other(creation: Creation, as_: SignIn) -> None:
    seq = Event.objects.filter(object_id=str(creation.pk)).order_by("seq").values_list("seq", flat=True)[0]
    edit(seq, reason="another", after="[]", ip="<b>")
    page = main(as_("olga").get(f"/audit/{seq}/")).partition("Stored now ")[2]
    assert "(empty or unreadable)" in page
    assert "Reason (empty) another" in page


def test_home_of_an_auditor_says_how_the_audit_stands(people: People, as_: SignIn) -> None:
    assert "Not verified yet" in main(as_("olga").get("/"))
    verification.note(integrity.WHOLE, verification.verify())
    assert "The audit is intact up to event" in main(as_("olga").get("/"))
    assert all("The audit is intact" not in main(as_(name).get("/")) for name in ("root", "tom", "ada"))


def test_findings_are_sentences_with_links_to_their_events(edited_seq: int, as_: SignIn) -> None:
    edit(edited_seq + 1, canonical="{}")
    page = body(as_("olga").get("/audit/chain/"))
    assert f'<a class="link" href="/audit/{edited_seq}/">{edited_seq}</a>' in page
    assert "Changed: reason<" in page
    assert "Changed: sealed text<" in page
    assert "This ends the alarm for exactly these findings." in page


def test_findings_of_one_kind_about_no_event_are_one_row(people: People, as_: SignIn) -> None:
    mallory.unguarded(lambda: verification.note(integrity.WHOLE, verification.verify_whole()))
    findings = integrity.integrity_status().findings
    assert len(findings) > 2
    page = body(as_("olga").get("/audit/chain/"))
    assert page.count('<span class="state bad">') == len({issue.kind for issue in findings})
    assert all(issue.detail.removesuffix(" is missing").split()[-1] in page for issue in findings)
    assert f"<h2>{len(findings)} findings</h2>" in page


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("reason, ip", "Changed: reason, IP address"),
        ("the search has other words for it", "The search index has other words for this event"),
        ("it stands at 9 with another reason", "It now has the number 9. Also changed: reason"),
        ("it stands at 9, canonical", "It now has the number 9. Changed: sealed text"),
        ("it stands at 9, replaced", "It now has the number 9. The sealed text and its digest were replaced"),
        (
            "sealed with 'k7', which is none of AUDIT_KEYS",
            "Sealed with the key k7, which is not in AUDIT_KEYS",
        ),
        ("trigger t is missing, in audit-1-2.jsonl", "Missing trigger: t (audit-1-2.jsonl)"),
        ("CHECK constraint failed in audit_event", "A stored value breaks a rule of the table audit_event"),
        ("wrong # of entries in index x", "wrong # of entries in index x"),
        ("", ""),
    ],
)
def test_what_shows_a_finding_is_a_sentence_where_we_wrote_it(detail: str, words: str) -> None:
    assert detail_text(IntegrityIssue("edited", 7, 7, detail)) == words


def test_a_finding_about_no_event_names_none() -> None:
    rows = [
        FindingRow(IntegrityIssue(*issue), "", [""], None)
        for issue in (("guard changed", 0, 0), ("edited", 3, 4), ("deleted", 5, 5), ("anchor edited", 6, 6))
    ]
    assert [(row.place, row.page) for row in rows] == [("", 0), ("3 – 4", 3), ("5", 0), ("Line 6", 0)]


def test_an_unreadable_end_of_a_creation_stands_in_its_place_and_before_its_other_events(
    creation: Creation, as_: SignIn
) -> None:
    events = Event.objects.filter(object_id=str(creation.pk)).order_by("-seq")
    seqs = list(events.values_list("seq", flat=True))
    edit(seqs[0], canonical="{}")
    olga = as_("olga")
    answer = olga.get("/audit/")
    page = body(answer)
    days = {at.date() for at in Event.objects.values_list("at", flat=True)}  # two around midnight
    assert page.count('<tbody class="day">') == len(days)
    row = main(answer).partition(f"#{seqs[0]} ")[2].partition("Accepted")[0]
    assert row.startswith(f"Event {seqs[0]} can't be read : who acted, and on what, is unknown Unreadable")
    assert f'<a class="pivot" href="/audit/{seqs[0]}/">Event' in page
    assert "is creating" not in page
    edit(seqs[1], canonical="{}")
    lines = body(olga.get("/audit/")).split("<tbody")
    assert any(f"/audit/{seqs[1]}/" in line and f"/audit/{seqs[0]}/" not in line for line in lines)


def test_the_page_of_an_unreadable_event_has_its_neighbours_and_the_digest_of_the_original(
    creation: Creation, as_: SignIn
) -> None:
    olga, ada = as_("olga"), as_("ada")
    seq, original = (
        Event.objects.filter(object_id=str(creation.pk)).order_by("seq").values_list("seq", "digest")[1]
    )
    edit(seq, canonical="{}", digest="0" * 64)
    answer = olga.get(f"/audit/{seq}/")
    page = body(answer)
    assert "This event has no valid seal" in page
    assert {f'href="/audit/{seq - 1}/"', f'href="/audit/{seq + 1}/"'} <= set(
        re.findall(r'href="[^"]+"', page)
    )
    assert original in page
    assert f"Stored digest {'0' * 64}" in main(answer)
    steps = (body(person.get(creation.get_absolute_url())) for person in (olga, ada))
    assert [f'<a class="link" href="/audit/{seq}/">Event {seq} can' in page for page in steps] == [
        True,
        False,
    ]
