"""G53: a page that misses events because they were archived says where they are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hyperclusters.audit import archive, clock
from hyperclusters.audit.models import Segment
from hyperclusters.clusters.models import Cluster
from tests.audit.tampering import sql, unguarded
from tests.conftest import People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, body, main


@pytest.fixture
def segment(people: People, projects: Projects, tmp_path: Path) -> Segment:
    """Vision has a creation and its cluster, and all but the newest event is archived."""
    submit_creation(people.ada, projects.vision)
    run_worker()
    run_worker()
    return archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)


def test_g53_the_page_of_an_archived_event_says_where_it_is_whatever_its_team(
    segment: Segment, people: People, as_: SignIn
) -> None:
    text = f"Events {segment.first} to {segment.last} are in the archive {segment.file} since"
    for name in ("olga", "tom"):
        browser, pages = as_(name), set()
        for seq in range(segment.first, segment.last + 1, 5):
            answer = browser.get(f"/audit/{seq}/")
            assert answer.status_code == 410
            assert text in main(answer)
            pages.add(main(answer).replace(f"#{seq}", ""))
        assert len(pages) == 1  # nothing tells whose event it was
        assert browser.get(f"/audit/{segment.last + 1000}/").status_code == 404
        assert browser.get("/audit/0/").status_code == browser.get(f"/audit/{10**30}/").status_code == 404
    for name in ("ada", "vera", "mallory", "root"):
        answer = as_(name).get(f"/audit/{segment.first}/")
        assert answer.status_code == 403
        assert segment.file not in body(answer)


def test_g53_pages_whose_events_were_archived_say_so_to_those_who_may_read_them(
    segment: Segment, people: People, projects: Projects, as_: SignIn
) -> None:
    creation = projects.vision.creations.get()
    cluster = Cluster.objects.get(creation=creation)
    for path in (creation.get_absolute_url(), cluster.get_absolute_url(), "/teams/vision/?tab=history"):
        for name in ("olga", "tom"):
            assert segment.file in main(as_(name).get(path)), path
        for name in ("ada", "vera"):
            page = main(as_(name).get(path))
            assert segment.file not in page
            assert ("Earlier events were moved to an archive" in page) == ("/creations/" in path)
        assert as_("mallory").get(path).status_code == 404
    for name in ("olga", "tom"):
        assert segment.file in main(as_(name).get("/audit/"))


def test_a_page_that_misses_nothing_speaks_of_no_archive(
    segment: Segment, people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, "train-later")
    assert "data-archives" not in body(as_("olga").get(creation.get_absolute_url()))
    assert "data-archives" not in body(as_("ada").get(creation.get_absolute_url()))


def test_the_record_of_an_archive_knows_its_times_and_one_that_was_forged_is_not_believed(
    segment: Segment, people: People, as_: SignIn
) -> None:
    assert segment.first_at is not None
    assert segment.last_at is not None
    assert segment.first_at <= segment.last_at <= events()[0].at
    unguarded(lambda: sql("UPDATE audit_segment SET file = 'elsewhere.jsonl'"))
    assert as_("olga").get(f"/audit/{segment.first}/").status_code == 404
