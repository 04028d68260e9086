"""G53: a page that lacks events because they were archived reads them, if their file is here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyperclusters.audit import archive_events
from hyperclusters.clusters.models import Cluster
from tests.conftest import People, Projects, run_worker, submit_creation
from tests.web.pages import SignIn, body, main
from tests.web.test_the_archive_page import all_archived, files

__all__ = ["files"]
TAG = '<span class="tag">Archived</span>'


@pytest.fixture
def paths(people: People, projects: Projects) -> list[str]:
    """Pages with a history: of a creation, its cluster, and their team."""
    creation = submit_creation(people.ada, projects.vision)
    for _ in range(3):
        run_worker()
    cluster = Cluster.objects.get(creation=creation)
    submit_creation(people.ada, projects.vision, "train-later")  # the newest event always stays in the ledger
    return [creation.get_absolute_url(), cluster.get_absolute_url(), "/teams/vision/?tab=history"]


def part(page: str) -> str:
    """The words of the part of a page that tells a history, without how long ago something was."""
    match = re.search(
        r'<ol class="(?:timeline|history)">.*?</ol>|<table class="rows">.*?</table>', page, re.DOTALL
    )
    assert match
    text = re.sub(r'<time class="rel".*?</time>', "", match[0], flags=re.DOTALL).replace(TAG, "")
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_g53_a_history_is_the_same_after_archiving_and_marked(
    paths: list[str], files: Path, as_: SignIn
) -> None:
    people_of = dict.fromkeys(paths[:2], ("olga", "tom", "ada", "vera")) | {paths[2]: ("olga", "tom")}
    before = {(path, name): part(body(as_(name).get(path))) for path in paths for name in people_of[path]}
    all_archived(files)
    for (path, name), words in before.items():
        page = body(as_(name).get(path))
        assert part(page) == words, (path, name)
        assert TAG in page, (path, name, words)
        assert "data-archives" not in page


def test_g53_a_history_says_what_it_could_not_read(
    paths: list[str], files: Path, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = all_archived(files)
    monkeypatch.setattr(archive_events, "PAGE_SECONDS", -1)
    for path in paths:
        assert segment.file in main(as_("olga").get(path)), path
    monkeypatch.undo()
    content = (files / segment.file).read_bytes()
    (files / segment.file).write_bytes(content.replace(b'"outcome":"', b'"outcome":"x'))
    for path in paths:
        page = body(as_("olga").get(path))
        assert segment.file in page
        assert TAG not in page


def test_g24_a_history_has_no_archived_event_of_another_team_or_thing(
    paths: list[str], people: People, projects: Projects, files: Path, as_: SignIn
) -> None:
    submit_creation(people.mallory, projects.speech, "train-speech")
    run_worker()
    all_archived(files)
    for path in paths:
        assert "mallory" not in part(body(as_("tom").get(path)))
    # Who may not read the team's audit learns nothing from its history.
    assert TAG not in body(as_("vera").get(paths[2]))
