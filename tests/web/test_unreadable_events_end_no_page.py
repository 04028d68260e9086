"""G40: an unreadable event ends no page that is drawn from the ledger besides the audit's own: activity, inbox, clock."""

from __future__ import annotations

from itertools import cycle

import pytest

from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.models import Grant
from hyperclusters.audit import clock
from hyperclusters.audit.chain import DOCUMENTS
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event
from hyperclusters.audit.raw_rows import NUMBERS
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import heartbeat
from hyperclusters.clusters.models import Cluster
from hyperclusters.clusters.ownership import hand_over
from tests.conftest import People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, body, words
from tests.web.test_every_page import ACCESS, paths  # noqa: F401 -- a fixture
from tests.web.test_unreadable_events import HOSTILE, forge


@pytest.mark.parametrize("at", HOSTILE["at"])
def test_g40_a_time_that_somebody_made_unreadable_ends_no_page_about_activity(
    at: str, people: People, as_: SignIn
) -> None:
    open_review(people.vision, due_on=clock.today(), by=people.tom)
    record(EventType.ACCESS_DENIED, Outcome.DENIED, by=people.ada, on=people.vision)
    newest = events(person_name="ada")[-1].seq
    forge("at", [(newest, at)])
    held = Grant.objects.get(person=people.ada)
    tom = as_("tom")
    for page in ("", "review/", f"grants/{held.pk}/", "?show=unused", "review/?show=unused"):
        assert tom.get(f"/teams/vision/{page}").status_code == 200, page
    assert as_("olga").get("/audit/").status_code == 200
    heartbeat.beat("here")
    heartbeat.beat("here")


@pytest.mark.parametrize("name", ["at", "after", "before", "object_id", "person_name", "reason"])
def test_g40_an_unreadable_hand_over_ends_no_page_of_its_new_owner(
    name: str, people: People, projects: Projects, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision, "given")
    run_worker()
    hand_over(cluster=Cluster.objects.get(name="given"), to="tom", reason="r", by=people.ada)
    seq = events(action="cluster:owner:changed")[-1].seq
    tom = as_("tom")
    assert "given" in words(tom.get("/inbox/"))
    for value in HOSTILE[name]:
        forge(name, [(seq, value)])
        for page in ("/", "/inbox/", "/clusters/"):
            assert tom.get(page).status_code == 200, (page, value)


def test_g40_a_response_that_is_no_document_ends_no_filter_by_error_code(people: People, as_: SignIn) -> None:
    for code in ("ModelArts.7001", "ModelArts.7002"):
        record(EventType.CREATE_FAILED, Outcome.FAILED, by=people.ada, response={"code": code})
    newest = Event.objects.latest("seq").seq
    olga = as_("olga")
    for value in HOSTILE["response"]:
        forge("response", [(newest, value)])
        for part in ("70", "ModelArts.700"):
            answer = olga.get(f"/audit/?code={part}")
            assert answer.status_code == 200, (part, value)
            assert f"/audit/{newest - 1}/" in body(answer), (part, value)
            assert olga.get(f"/audit/summary/?code={part}").status_code == 200, (part, value)


# Columns that are read alike are made unreadable together, each in other events.
ALIKE = {
    "times": ["at"],
    "documents": list(DOCUMENTS),
    "seals": ["canonical", "digest", "key_id"],
    "numbers": list(NUMBERS),
    "texts": sorted(HOSTILE.keys() - {"at", "canonical", "digest", "key_id", *DOCUMENTS, *NUMBERS}),
}


@pytest.mark.parametrize("names", ALIKE.values(), ids=ALIKE)
def test_g40_no_page_of_anybody_ends_in_an_error(
    names: list[str],
    paths: dict[str, str],  # noqa: F811
    as_: SignIn,
) -> None:
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    for place, name in enumerate(names):
        forge(name, zip(seqs[place :: len(names)], cycle(HOSTILE[name]), strict=False))
    for person in ("tom", "olga", "root"):
        browser = as_(person)
        for (method, route), statuses in ACCESS.items():
            if method == "get" and statuses[person] == 200:
                answer = browser.get(paths[route])
                b"".join(answer)
                assert answer.status_code in {200, 404}, (person, paths[route])
    run_worker()
