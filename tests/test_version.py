"""One place says which release this is, and it is shown where people look for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client as Browser
from prometheus_client.parser import text_string_to_metric_families

from hyperclusters import __version__
from hyperclusters.clusters.metrics import exposition
from tests.conftest import People, Projects, submit_creation

ROOT = Path(__file__).resolve().parent.parent


def test_the_changelog_begins_with_this_release_or_what_follows_it() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)[0] == __version__


def test_the_image_carries_it() -> None:
    assert f'org.opencontainers.image.version="{__version__}"' in (ROOT / "Dockerfile").read_text()


@pytest.mark.django_db
def test_the_metrics_carry_it() -> None:
    families = {family.name: family for family in text_string_to_metric_families(exposition().decode())}
    (sample,) = families["hyperclusters_build_info"].samples
    assert (sample.labels, sample.value) == ({"version": __version__}, 1)


@pytest.mark.django_db
def test_a_page_says_it_in_the_account_menu(people: People) -> None:
    browser = Browser()
    browser.force_login(people.ada)
    assert f"<span>{__version__}</span>" in browser.get("/").content.decode()


@pytest.mark.django_db
def test_a_creation_s_page_says_it_too_and_not_the_version_of_its_row(
    people: People, projects: Projects
) -> None:
    creation = submit_creation(people.ada, projects.vision, "train-1")
    browser = Browser()
    browser.force_login(people.ada)
    assert f"<span>{__version__}</span>" in browser.get(creation.get_absolute_url()).content.decode()
