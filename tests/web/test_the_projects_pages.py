"""What Root does with projects: connects one, sees why it does not work, replaces its key. Keys go in and never come out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.clusters.heartbeat import beat
from hyperclusters.clusters.models import ConnectionTest, Project
from tests.conftest import KEY, Cloud, People, Projects, confirm, events, run_worker
from tests.web.pages import HTMX, SignIn, body, main, words

pytestmark = pytest.mark.any_database

CANARIES = {"access_key": "CANARYACCESS", "secret_key": "canary-secret", "security_token": "canary-token"}


def typed(people: People, cloud: Cloud, **changes: str) -> dict[str, str]:
    """The form as Root fills it in."""
    key = {"access_key": KEY.access_key, "secret_key": KEY.secret_key}
    values = {
        "name": "vision-two",
        "team": str(people.vision.pk),
        "region": "cn-north-9",
        "project_id": "d" * 32,
    }
    return values | {"endpoint": cloud.simulator.endpoint, "quota": ""} | key | changes


def test_root_connects_a_project_and_is_told_that_it_works(as_: SignIn, people: People, cloud: Cloud) -> None:
    root = confirm(as_("root"))
    beat("one")
    assert "No project yet" in main(root.get("/projects/"))
    answer = root.post("/projects/new/", typed(people, cloud, quota="5"))
    new_project = Project.objects.get()
    assert answer["Location"] == new_project.get_absolute_url()
    response = root.get(new_project.get_absolute_url())
    assert "Testing the connection" in main(response)
    assert 'hx-trigger="every 700ms"' in body(response)
    run_worker()
    fragment = root.get(new_project.get_absolute_url(), headers=HTMX)
    assert "The cloud accepted the key in" in words(fragment)
    assert "hx-trigger" not in body(fragment)
    row = main(root.get("/projects/"))
    for said in ("vision-two", "Vision", "cn-north-9", "5", "Access key", "Active", "just now"):
        assert said in row


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"endpoint": "https://evil.example"}, "This endpoint is not on the list of hosts"),
        ({"endpoint": "", "region": "cn-north-9"}, "This installation may not call this region"),
        ({"endpoint": "", "region": ""}, "Choose a region, or type the endpoint."),
        ({"project_id": "../../v2"}, "A project ID has 1 to 64 letters, digits or hyphens."),
        ({"project_id": ""}, "Enter a project ID, or list the key's projects."),
        ({"team": "999999"}, "Select a valid choice"),
        ({"region": "moon-1"}, "Select a valid choice"),
        ({"quota": "-1"}, "greater than or equal to 0"),
        ({"access_key": ""}, "Enter the access key ID."),
        ({"secret_key": "two words"}, "A key has no spaces"),
        ({"security_token": "token"}, "Enter when the temporary key ends."),
        (
            {"security_token": "token", "key_until": "2020-01-01T00:00"},
            "A temporary key ends within the next 24 hours.",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_connected(
    changes: dict[str, str], text: str, as_: SignIn, people: People, cloud: Cloud
) -> None:
    answer = confirm(as_("root")).post("/projects/new/", typed(people, cloud, **changes))
    assert answer.status_code == 422
    assert text in main(answer)
    assert "Nothing was connected." in main(answer)
    assert not Project.objects.exists()
    assert events(action__startswith="project:") == []


def test_a_region_s_own_endpoint_need_not_be_typed(
    as_: SignIn, people: People, cloud: Cloud, settings: Settings
) -> None:
    settings.UPSTREAM_HOSTS = ["*.myhuaweicloud.com"]
    root = confirm(as_("root"))
    assert "https://modelarts.cn-north-9.myhuaweicloud.com" in body(root.get("/projects/new/"))
    assert "myhuaweicloud.cn" not in body(root.get("/projects/new/"))  # offered only where it may be called
    root.post("/projects/new/", typed(people, cloud, endpoint=""))
    assert Project.objects.get().endpoint == "https://modelarts.cn-north-9.myhuaweicloud.com"


def test_g33_a_key_that_was_typed_is_in_no_answer_whatever_else_was_wrong(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects
) -> None:
    root = confirm(as_("root"))
    page = projects.vision.get_absolute_url()
    until = f"{timezone.now() + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    answers = [
        root.post("/projects/new/", typed(people, cloud, name="", **CANARIES)),
        root.post("/projects/new/", typed(people, cloud, endpoint="x", **CANARIES)),
        root.post(f"{page}key/", CANARIES),
        root.post(f"{page}key/", CANARIES | {"key_until": "soon"}),
        root.post(f"{page}key/", CANARIES | {"key_until": until}, follow=True),
        root.get(page),
        root.get("/projects/"),
    ]
    run_worker()
    answers += [root.get(page), as_("olga").get("/audit/")]
    answers += [as_("olga").get(event.get_absolute_url()) for event in events(action__startswith="project:")]
    for number, answer in enumerate(answers):
        for name, canary in CANARIES.items():
            is_own_form = (
                number < 4 and name == "access_key"
            )  # no secret: an error elsewhere leaves it in its field
            assert (canary in body(answer)) == is_own_form
            assert canary not in repr(answer.headers)
    assert events(action="project:key:replaced")[-1].after["key"] == "temporary"  # type: ignore[index]


def test_root_sees_why_it_does_not_work_and_puts_it_right(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects
) -> None:
    root, page = confirm(as_("root")), projects.vision.get_absolute_url()
    wrong = {"access_key": "WRONGKEY", "secret_key": "wrong"}
    assert root.post(f"{page}key/", wrong)["Location"] == page
    run_worker()
    text = main(root.get(page))
    assert "The cloud does not accept the project's access key" in text
    assert "Replace the key on this page." in text
    assert "Paused since" in text
    root.post(f"{page}key/", {"access_key": KEY.access_key, "secret_key": KEY.secret_key})
    run_worker()
    text = main(root.get(page))
    assert "The cloud accepted the key" in text
    assert "Paused" not in text


def test_the_button_tests_again_with_and_without_a_script(as_: SignIn, projects: Projects) -> None:
    root, page = confirm(as_("root")), projects.vision.get_absolute_url()
    fragment = root.post(f"{page}test/", headers=HTMX)
    assert fragment.status_code == 200
    assert body(fragment).lstrip().startswith("<section")
    assert root.post(f"{page}test/")["Location"] == page
    assert ConnectionTest.objects.count() == 1
    assert 'http-equiv="refresh"' not in body(root.get(page)), "what is typed into its forms would be lost"
    assert f'<noscript><a class="btn" href="{page}">Refresh</a></noscript>' in body(root.get(page))
    assert '<noscript><meta http-equiv="refresh"' in body(as_("root").get(page)), "before the forms are there"


def test_settings_are_changed_and_a_mistake_changes_nothing(
    as_: SignIn, people: People, projects: Projects
) -> None:
    root, page = confirm(as_("root")), projects.vision.get_absolute_url()
    values: dict[str, Any] = {"name": "renamed", "team": people.speech.pk, "region": "", "quota": "7"}
    assert root.post(f"{page}change/", values)["Location"] == page
    locked_project = Project.objects.get(pk=projects.vision.pk)
    assert (locked_project.name, locked_project.team, locked_project.region, locked_project.quota) == (
        "renamed",
        people.speech,
        "",
        7,
    )
    assert "Saved." in words(root.get(page))
    answer = root.post(f"{page}change/", values | {"name": projects.speech.name})
    assert answer.status_code == 422
    assert "already exists" in main(answer)
    assert "Nothing was changed." in main(answer)


def test_g27_other_fields_of_a_project_are_not_taken_from_a_form(
    as_: SignIn, people: People, projects: Projects
) -> None:
    page, before = projects.vision.get_absolute_url(), projects.vision
    extra = {
        "endpoint": "https://evil.example",
        "project_id": "e" * 32,
        "trusted": "1",
        "sealed_credentials": "x",
    }
    values: dict[str, Any] = {"name": "renamed", "team": people.vision.pk, "region": "", "quota": ""}
    confirm(as_("root")).post(f"{page}change/", values | extra)
    after = Project.objects.get(pk=before.pk)
    assert (after.endpoint, after.project_id) == (before.endpoint, before.project_id)
    assert after.sealed_credentials == before.sealed_credentials


def test_a_machine_s_key_is_offered_where_the_operator_set_it_up(
    as_: SignIn, projects: Projects, settings: Settings
) -> None:
    page = projects.vision.get_absolute_url()
    assert "This machine's agency" not in main(confirm(as_("root")).get(page))
    settings.METADATA_ENDPOINT = "http://127.0.0.1:1"
    assert "This machine's agency" in main(confirm(as_("root")).get(page))
    confirm(as_("root")).post(f"{page}key/", {"key_kind": "machine"})
    run_worker()
    assert "the metadata service did not answer" in main(confirm(as_("root")).get(page))


def test_nobody_else_learns_which_projects_there_are(as_: SignIn, projects: Projects) -> None:
    for name in ("ada", "tom", "olga", "nina"):
        there, nowhere = (
            as_(name).get(path) for path in (projects.vision.get_absolute_url(), "/projects/999/")
        )
        assert there.status_code == nowhere.status_code == 403
        assert main(there) == main(nowhere).replace(nowhere["X-Request-Id"], there["X-Request-Id"])
        assert "Projects" not in words(as_(name).get("/"))


def test_the_list_of_projects_costs_the_same_for_any_number(
    as_: SignIn, people: People, projects: Projects, django_assert_max_num_queries: Any
) -> None:
    root = confirm(as_("root"))
    with django_assert_max_num_queries(12):
        root.get("/projects/")
