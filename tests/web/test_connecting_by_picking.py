"""Root types a key, a worker asks IAM for its projects, and Root picks one. The key comes out nowhere, and is gone in
15 minutes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.access.models import Grant
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.clusters import lookups
from hyperclusters.clusters.credentials import UnreadableCredentials, unseal
from hyperclusters.clusters.models import KeyKind, Project, ProjectLookup
from hyperclusters.clusters.worker import sweep
from hyperclusters.modelarts import Credentials
from tests.conftest import KEY, Cloud, People, Projects, confirm, events, run_worker
from tests.web.pages import HTMX, PAYLOADS, SignIn, body, holds_markup, main, value_of, words

pytestmark = pytest.mark.any_database

NEW = "/projects/new/"
REGION = "cn-southwest-2"
PICKED = "e" * 32
CANARIES = {"access_key": "CANARYACCESS", "secret_key": "canary-secret"}


@pytest.fixture
def root(as_: SignIn) -> Browser:
    return confirm(as_("root"))


@pytest.fixture
def typed(people: People, cloud: Cloud) -> dict[str, str]:
    """The first step as Root fills it in: all but the project ID."""
    return {
        "name": "vision-two", "team": str(people.vision.pk), "region": REGION, "endpoint": cloud.simulator.endpoint,
        "project_id": "", "quota": "7", "access_key": KEY.access_key, "secret_key": KEY.secret_key, "find": "1",
    }  # fmt: skip


def asked(root: Browser, typed: dict[str, str], **changes: str) -> str:
    """Type the key; the address of the step in which one picks."""
    answer = root.post(NEW, typed | changes)
    assert answer.status_code == 302, words(answer)
    return str(answer["Location"])


def calls(cloud: Cloud) -> int:
    return len([entry for entry in cloud.simulator.journal() if entry.call == "projects"])


def choice(people: People, **changes: str) -> dict[str, str]:
    values = {"name": "vision-two", "team": str(people.vision.pk), "quota": "7", "project_id": ""}
    return values | changes


def test_root_picks_a_project_without_typing_the_key_again(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    cloud.simulator.add_project(PICKED, f"{REGION}_vision")
    cloud.simulator.add_project("f" * 32, REGION)
    page = asked(root, typed)
    waiting = root.get(page)
    assert "Asking IAM for projects" in main(waiting)
    assert 'hx-trigger="every 1s"' in body(waiting)
    assert calls(cloud) == 0  # a worker asks, never a page
    run_worker()
    answer = root.get(page)
    assert "2 projects to choose from" in main(answer)
    assert f"{REGION}_vision {PICKED}" in main(answer)
    assert 'hx-trigger="every 1s"' not in body(answer)
    assert (value_of(answer, "name"), value_of(answer, "quota")) == ("vision-two", "7")
    for field in ("access_key", "secret_key", "security_token"):
        assert f'name="{field}"' not in body(answer)
    connected = root.post(page, choice(people, picked=PICKED))
    project = Project.objects.get()
    assert connected["Location"] == project.get_absolute_url()
    assert (project.name, project.project_id, project.region, project.quota) == (
        "vision-two",
        PICKED,
        REGION,
        7,
    )
    assert (project.team, project.key_kind) == (people.vision, KeyKind.STATIC)
    assert ProjectLookup.objects.count() == 0
    run_worker()
    assert "The cloud accepted the key" in words(root.get(project.get_absolute_url()))
    assert calls(cloud) == 1


def test_a_browser_lets_the_key_go_before_the_other_required_fields_are_filled_in(root: Browser) -> None:
    page = body(root.get(NEW))
    button = next(tag for tag in re.findall(r"<button[^>]*>", page) if 'name="find"' in tag)
    assert "formnovalidate" in button
    assert re.search(r'<input[^>]*name="project_id"[^>]* required', page)


def test_the_list_asks_for_itself_and_comes_as_a_part_that_loses_no_field(
    root: Browser, typed: dict[str, str], cloud: Cloud
) -> None:
    cloud.simulator.add_project(PICKED, REGION)
    page = urlsplit(asked(root, typed)).path
    part = root.get(page, headers=HTMX)
    assert f'hx-get="{page}"' in body(part)
    run_worker()
    part = root.get(page, headers=HTMX)
    assert PICKED in body(part)
    assert "hx-trigger" not in body(part)
    for name in ("name", "team", "quota", "project_id"):
        assert f'name="{name}"' not in body(part)  # what is typed is beside the part, not in it


def test_without_a_script_a_button_brings_the_answer_and_keeps_what_is_typed(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    cloud.simulator.add_project(PICKED, REGION)
    page = asked(root, typed)
    assert 'name="refresh"' in body(root.get(page))
    run_worker()
    answer = root.post(page, choice(people, name="another", quota="9", project_id="half", refresh="1"))
    assert answer.status_code == 200
    assert "1 project to choose from" in main(answer)
    assert [value_of(answer, name) for name in ("name", "quota", "project_id")] == ["another", "9", "half"]
    assert not Project.objects.exists()


def test_no_script_polls_for_ever(root: Browser, typed: dict[str, str]) -> None:
    page = asked(root, typed)
    ProjectLookup.objects.update(asked_at=clock.now() - timedelta(seconds=61))
    answer = body(root.get(page))
    assert "every 1s" not in answer
    assert 'name="refresh"' in answer


def test_an_id_may_be_typed_instead_before_and_after_the_answer(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    page = asked(root, typed)
    assert root.post(page, choice(people, project_id="typed-before")).status_code == 302
    run_worker()  # the lookup is gone: nothing is asked for it
    assert calls(cloud) == 0
    assert Project.objects.get().project_id == "typed-before"


BAD_CHOICES: dict[str, tuple[dict[str, str], str]] = {
    "neither": ({}, "Choose a project, or type its ID."),
    "both": ({"picked": PICKED, "project_id": "other"}, "Choose a project or type an ID, not both."),
    "a path": ({"project_id": "../../v2"}, "A project ID has 1 to 64 letters, digits or hyphens."),
    "a path for a pick": ({"picked": "../../v2"}, "A project ID has 1 to 64 letters, digits or hyphens."),
    "a taken name": ({"picked": PICKED, "name": "vision-cn-southwest-2"}, "already exists"),
    "no name": ({"picked": PICKED, "name": ""}, "Enter a name."),
    "no team": ({"picked": PICKED, "team": ""}, "Choose a team."),
    "a connected one": ({"picked": "a" * 32}, "already exists"),
}


@pytest.mark.parametrize("case", BAD_CHOICES)
def test_what_is_wrong_is_said_and_the_key_need_not_be_typed_again(
    case: str, root: Browser, typed: dict[str, str], people: People, cloud: Cloud, projects: Projects
) -> None:
    changes, text = BAD_CHOICES[case]
    cloud.simulator.add_project(PICKED, REGION)
    page = asked(root, typed)
    run_worker()
    answer = root.post(page, choice(people, **changes))
    assert answer.status_code == 422
    assert "Nothing was connected." in main(answer)
    assert text in main(answer)
    assert Project.objects.count() == 2
    assert root.post(page, choice(people, picked=PICKED)).status_code == 302
    assert Project.objects.count() == 3


def test_projects_of_other_regions_are_counted_connected_and_disabled_ones_cannot_be_picked(
    root: Browser, typed: dict[str, str], cloud: Cloud, projects: Projects
) -> None:
    cloud.simulator.add_project(PICKED, REGION)
    cloud.simulator.add_project("g" * 32, f"{REGION}_off", is_enabled=False)
    cloud.simulator.add_project(projects.vision.project_id, f"{REGION}_here")
    cloud.simulator.add_project("h" * 32, "cn-southwest-21")  # another region, although it begins alike
    cloud.simulator.add_project("i" * 32, "MOS")
    page = asked(root, typed)
    run_worker()
    text = main(root.get(page))
    assert "3 projects to choose from" in text
    assert f"2 more belong to other regions than {REGION}." in text
    assert "Connected as vision-cn-southwest-2" in text
    assert "Disabled in the cloud" in text
    assert "h" * 32 not in text
    assert body(root.get(page)).count(" disabled>") == 2


def test_a_region_without_a_project_and_a_key_without_any_are_told_apart(
    root: Browser, typed: dict[str, str], cloud: Cloud
) -> None:
    page = asked(root, typed)
    run_worker()
    assert "IAM listed no project for this key. You can type the project ID." in main(root.get(page))
    cloud.simulator.add_project(PICKED, "cn-north-4")
    page = asked(root, typed)
    run_worker()
    text = main(root.get(page))
    assert f"No project in {REGION}" in text
    assert f"1 more belongs to another region than {REGION}." in text
    assert PICKED not in text


def test_hundreds_of_projects_can_all_be_picked(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    for number in range(300):
        cloud.simulator.add_project(f"p{number:031d}", f"{REGION}_{number:03d}")
    page = asked(root, typed)
    run_worker()
    answer = root.get(page)
    assert "300 projects to choose from" in main(answer)
    assert body(answer).count('name="picked"') == 300
    assert root.post(page, choice(people, picked=f"p{299:031d}")).status_code == 302
    assert Project.objects.get().project_id == f"p{299:031d}"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "not permitted": ({"status": 403, "error_code": "IAM.0003", "error_msg": "no"}, "IAM.0003: no"),
    "out of order": ({"status": 500}, "The cloud answered"),
    "the gateway": ({"status": 502}, "The cloud answered"),
    "too often": ({"status": 429, "error_code": "APIGW.0308"}, "The cloud is being called too often."),
    "no such call": ({"status": 404, "error_code": "APIGW.0101"}, "The cloud knows no such call"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_failure_is_said_and_asked_again_without_the_key_or_typed(
    case: str, root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    parameters, text = FAULTS[case]
    cloud.simulator.fault("error", "projects", times=1, **parameters)
    cloud.simulator.add_project(PICKED, REGION)
    page = asked(root, typed)
    run_worker()
    answer = main(root.get(page))
    for part in ("Projects could not be listed", text, "Type the project ID, or ask again."):
        assert part in answer
    assert "Connect and test" in answer
    assert calls(cloud) == 1  # nothing is tried again by itself
    again = root.post(page, choice(people, name="kept", again="1"))
    assert "Asking IAM for projects" in main(again)
    assert value_of(again, "name") == "kept"
    run_worker()
    assert "1 project to choose from" in main(root.get(page))
    assert [event.outcome for event in events(action="project:lookup:answered")] == ["failed", "done"]
    assert len(events(action="project:lookup:asked")) == 2


@pytest.mark.parametrize("answer", [{"status": 401}, {"status": 401, "error_code": "IAM.0101"}], ids=str)
def test_g17_a_refused_key_is_sent_once_deleted_and_has_to_be_typed_again(
    answer: dict[str, Any], root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "projects", **answer)
    page = asked(root, typed)
    run_worker()
    run_worker()
    assert calls(cloud) == 1
    lookup = ProjectLookup.objects.get()
    assert (lookup.sealed_credentials, lookup.has_key) == ("", False)
    text = main(root.get(page))
    assert "Key not accepted" in text
    assert "Connect and test" not in text
    assert "Search again" not in text
    root.post(page, choice(people, again="1"))
    assert root.post(page, choice(people, project_id=PICKED))["Location"].startswith(NEW)
    assert not Project.objects.exists()


def test_iam_that_cannot_be_reached_is_said(root: Browser, typed: dict[str, str], cloud: Cloud) -> None:
    page = asked(root, typed)
    with cloud.simulator.refuse_connections():
        run_worker()
    assert "The cloud could not be reached" in main(root.get(page))


def test_no_answer_in_time_is_said(
    root: Browser, typed: dict[str, str], cloud: Cloud, settings: Settings
) -> None:
    settings.UPSTREAM_DEADLINE = 0.5
    cloud.simulator.fault("latency", "projects", before=3)
    page = asked(root, typed)
    run_worker()
    assert "The cloud did not answer in time." in main(root.get(page))


def test_another_clock_in_the_cloud_is_signed_by(root: Browser, typed: dict[str, str], cloud: Cloud) -> None:
    cloud.simulator.set(clock_offset=3600.0)
    cloud.simulator.add_project(PICKED, REGION)
    page = asked(root, typed)
    run_worker()
    assert "1 project to choose from" in main(root.get(page))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_g31_a_hostile_name_is_text(payload: str, root: Browser, typed: dict[str, str], cloud: Cloud) -> None:
    cloud.simulator.add_project(PICKED, f"{REGION}_{payload}")
    page = asked(root, typed)
    run_worker()
    answer = root.get(page)
    assert PICKED in body(answer)
    assert not holds_markup(body(answer))


def test_a_private_endpoint_has_no_iam_that_we_know_and_its_project_can_be_typed(
    root: Browser, typed: dict[str, str], people: People, settings: Settings
) -> None:
    settings.UPSTREAM_HOSTS = ["modelarts.example.com", "*.myhuaweicloud.com"]
    answer = root.post(NEW, typed | {"endpoint": "https://modelarts.example.com"})
    assert answer.status_code == 422
    assert "We know IAM only beside the endpoints of the vendor's regions." in main(answer)
    assert value_of(answer, "name") == "vision-two"
    changes = {"endpoint": "https://modelarts.example.com", "project_id": PICKED}
    one_step = {name: value for name, value in (typed | changes).items() if name != "find"}
    assert root.post(NEW, one_step).status_code == 302
    assert Project.objects.get().endpoint == "https://modelarts.example.com"
    assert ProjectLookup.objects.count() == 0


def test_iam_of_a_region_must_be_on_the_operators_list(
    root: Browser, typed: dict[str, str], cloud: Cloud, settings: Settings
) -> None:
    settings.UPSTREAM_HOSTS = ["modelarts.cn-north-4.myhuaweicloud.com"]
    answer = root.post(NEW, typed | {"region": "cn-north-4", "endpoint": ""})
    assert "iam.cn-north-4.myhuaweicloud.com is not on the operator's list (UPSTREAM_HOSTS)." in main(answer)
    settings.UPSTREAM_HOSTS = ["127.0.0.1"]
    page = asked(root, typed)
    settings.UPSTREAM_HOSTS = []  # the worker's own list is another
    run_worker()
    settings.UPSTREAM_HOSTS = ["127.0.0.1"]
    assert "the operator does not allow its host" in main(root.get(page))
    assert calls(cloud) == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"access_key": ""}, "Enter the access key ID."),
        ({"secret_key": "two words"}, "A key has no spaces"),
        ({"region": "", "endpoint": ""}, "Choose a region, or type the endpoint."),
        ({"security_token": "t"}, "Enter when the temporary key ends."),
        ({"security_token": "t", "key_until": "2020-01-01T00:00"}, "ends within the next 24 hours"),
        ({"endpoint": "https://evil.example"}, "This endpoint is not on the list of hosts"),
    ],
    ids=str,
)
def test_a_key_that_is_not_whole_asks_for_nothing(
    changes: dict[str, str], text: str, root: Browser, typed: dict[str, str]
) -> None:
    answer = root.post(NEW, typed | changes)
    assert answer.status_code == 422
    assert text in main(answer)
    assert value_of(answer, "name") == "vision-two"
    assert ProjectLookup.objects.count() == 0
    assert events(action__startswith="project:lookup") == []


def test_name_and_team_can_follow_in_the_second_step(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    page = asked(root, typed, name="", team="", quota="")
    run_worker()
    assert root.post(page, choice(people, project_id=PICKED)).status_code == 302
    assert Project.objects.get().name == "vision-two"


def test_a_temporary_key_keeps_its_end_and_is_not_sent_afterwards(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    cloud.simulator.add_key("TEMPORARY", "secret", security_token="a-token")
    until = f"{clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    key = {"access_key": "TEMPORARY", "secret_key": "secret", "security_token": "a-token", "key_until": until}
    page = asked(root, typed, **key)
    run_worker()
    assert calls(cloud) == 1
    assert root.post(page, choice(people, project_id=PICKED)).status_code == 302
    project = Project.objects.get()
    assert (project.key_kind, f"{project.key_until:%Y-%m-%dT%H:%M}") == (KeyKind.TEMPORARY, until)
    page = asked(root, typed, **key)
    ProjectLookup.objects.update(key_until=clock.now() - timedelta(seconds=1))
    run_worker()
    assert calls(cloud) == 1
    assert "temporary key has ended" in main(root.get(page))


# The key: where it is, for how long, for whom -----------------------------------------------------------------------


def test_g33_the_key_is_sealed_for_its_row_its_person_and_their_session(
    root: Browser, typed: dict[str, str]
) -> None:
    asked(root, typed)
    lookup = ProjectLookup.objects.get()
    assert KEY.secret_key not in lookup.sealed_credentials
    assert unseal(lookup.sealed_credentials, bound_to=lookup.sealed_for) == KEY
    for other in (
        ProjectLookup(asked_by=lookup.asked_by, session=lookup.session),
        ProjectLookup(pk=lookup.pk, asked_by=lookup.asked_by, session="another"),
        ProjectLookup(pk=lookup.pk, asked_by_id=lookup.asked_by_id + 1, session=lookup.session),
    ):
        with pytest.raises(UnreadableCredentials):
            unseal(lookup.sealed_credentials, bound_to=other.sealed_for)


def test_g22_the_key_is_in_no_answer_event_address_or_log(
    root: Browser,
    typed: dict[str, str],
    people: People,
    cloud: Cloud,
    as_: SignIn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    answers: list[Any] = [root.post(NEW, typed | CANARIES | {"region": "moon-1"})]
    first = root.post(NEW, typed | CANARIES)
    page = first["Location"]
    answers += [first, root.get(page), root.get(page, headers=HTMX)]
    run_worker()
    answers += [
        root.get(page),
        root.post(page, choice(people, name="")),
        root.post(page, choice(people, refresh="1")),
    ]
    answers += [root.post(page, choice(people, cancel="1"), follow=True), root.get("/projects/")]
    olga = as_("olga")
    answers += [olga.get("/audit/?machine=1")] + [
        olga.get(event.get_absolute_url()) for event in events()[-4:]
    ]
    for canary in CANARIES.values():
        for answer in answers:
            if (
                canary != CANARIES["access_key"]
            ):  # an ID that names the key, and comes back into its own field
                assert canary not in body(answer)
            assert canary not in repr(answer.headers)
        assert canary not in caplog.text
        assert canary not in repr(list(Event.objects.values()))
        assert canary not in repr(list(ProjectLookup.objects.values()))


def test_cancelling_deletes_the_key_and_brings_back_what_was_typed(
    root: Browser, typed: dict[str, str], people: People
) -> None:
    page = asked(root, typed)
    back = root.post(page, choice(people, name="changed-here", cancel="1"))
    assert ProjectLookup.objects.count() == 0
    assert back["Location"].startswith(NEW)
    assert value_of(root.get(back["Location"]), "name") == "changed-here"


def test_when_its_time_is_over_a_worker_deletes_it_and_no_page_uses_it(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    page = asked(root, typed)
    lookup = ProjectLookup.objects.get()
    assert timedelta(minutes=14) < lookup.expires_at - clock.now() <= timedelta(minutes=15)
    sweep()
    assert ProjectLookup.objects.count() == 1
    ProjectLookup.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert ProjectLookup.objects.claim("here") is None
    assert "This step is over" in words(root.get(page, headers=HTMX))
    answer = root.post(page, choice(people, name="still-mine", project_id=PICKED), follow=True)
    assert "This step is over. Enter the key again." in words(answer)
    assert value_of(answer, "name") == "still-mine"
    assert not Project.objects.exists()
    sweep()
    assert ProjectLookup.objects.count() == 0
    answer = root.get(page, follow=True)
    assert [value_of(answer, name) for name in ("name", "quota")] == ["vision-two", "7"]
    assert value_of(answer, "endpoint") == cloud.simulator.endpoint
    assert calls(cloud) == 0


def test_a_time_by_a_wrong_clock_keeps_no_key(root: Browser, typed: dict[str, str]) -> None:
    asked(root, typed)
    ProjectLookup.objects.update(expires_at=clock.now() + timedelta(days=1))
    sweep()
    assert ProjectLookup.objects.count() == 0


def test_another_session_or_person_cannot_use_it(
    root: Browser, typed: dict[str, str], people: People, as_: SignIn
) -> None:
    page = asked(root, typed)
    elsewhere = confirm(as_("root"))
    Grant.objects.create(person=people.nina, role="platform_admin", reason="test", granted_by=people.root)
    nina = confirm(as_("nina"))
    for browser in (elsewhere, nina):
        for answer in (browser.get(page), browser.post(page, choice(people, project_id=PICKED))):
            assert answer["Location"].startswith(NEW)
        browser.post(page, choice(people, cancel="1"))
    assert ProjectLookup.objects.count() == 1
    assert not Project.objects.exists()
    assert root.post(page, choice(people, project_id=PICKED)).status_code == 302


@pytest.mark.parametrize("name", ["tom", "ada", "vera", "olga", "mallory", "nina"])
def test_only_platform_admins_may(
    name: str, root: Browser, typed: dict[str, str], people: People, as_: SignIn
) -> None:
    page = asked(root, typed)
    browser = confirm(as_(name))
    for answer in (browser.post(NEW, typed), browser.get(page), browser.post(page, choice(people))):
        assert answer.status_code == 403
    assert ProjectLookup.objects.count() == 1


def test_a_lookup_of_who_lost_the_role_asks_nothing(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    asked(root, typed)
    Grant.objects.filter(person=people.root).delete()
    run_worker()
    assert calls(cloud) == 0
    assert ProjectLookup.objects.get().cause == "right_lost"


def test_asking_anew_replaces_the_key_that_was_typed_before(root: Browser, typed: dict[str, str]) -> None:
    first, second = asked(root, typed), asked(root, typed)
    assert first != second
    assert ProjectLookup.objects.count() == 1
    assert root.get(first)["Location"].startswith(NEW)
    assert root.get(second).status_code == 200


def test_iam_is_asked_five_times_in_five_minutes_at_most(
    root: Browser, typed: dict[str, str], people: People
) -> None:
    for _ in range(4):
        page = asked(root, typed)
    ProjectLookup.objects.update(done_at=clock.now())
    root.post(page, choice(people, again="1"))
    refused = root.post(NEW, typed)
    assert refused.status_code == 422
    assert "IAM was asked too often in the last 5 minutes." in main(refused)
    assert value_of(refused, "name") == "vision-two"
    ProjectLookup.objects.update(done_at=clock.now())
    again = root.post(page, choice(people, name="kept", again="1"))
    assert "IAM was asked too often" in words(again)
    assert value_of(again, "name") == "kept"
    assert len(events(action="project:lookup:asked")) == 5


def test_a_second_click_connects_nothing_twice(root: Browser, typed: dict[str, str], people: People) -> None:
    page = asked(root, typed)
    lookup = ProjectLookup.objects.get()
    assert root.post(page, choice(people, project_id=PICKED)).status_code == 302
    values: dict[str, Any] = {"name": "again", "team": people.vision, "project_id": "another", "quota": None}
    assert lookups.connect_found(by=people.root, lookup=lookup, **values) is None
    assert Project.objects.count() == 1


def test_a_key_that_cannot_be_opened_any_more_has_to_be_typed_again(
    root: Browser, typed: dict[str, str], people: People
) -> None:
    page = asked(root, typed)
    ProjectLookup.objects.update(sealed_credentials="gAAAA-of-another-installation")
    answer = root.post(page, choice(people, project_id=PICKED))
    assert answer["Location"].startswith(NEW)
    assert ProjectLookup.objects.count() == 0
    asked(root, typed)
    ProjectLookup.objects.update(sealed_credentials="gAAAA-of-another-installation")
    run_worker()
    assert ProjectLookup.objects.get().cause == "unreadable_credentials"


def test_a_worker_that_lost_its_lease_changes_no_answer(
    root: Browser, typed: dict[str, str], cloud: Cloud
) -> None:
    asked(root, typed)
    slow = ProjectLookup.objects.claim("slow")
    assert slow is not None
    assert ProjectLookup.objects.claim("other") is None
    ProjectLookup.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    run_worker()
    cloud.simulator.add_project(PICKED, REGION)
    lookups.run_lookup(slow)
    assert ProjectLookup.objects.get().rows == []
    assert len(events(action="project:lookup:answered")) == 1


def test_the_audit_says_who_asked_where_and_how_many_there_were_and_names_none(
    root: Browser, typed: dict[str, str], people: People, cloud: Cloud
) -> None:
    cloud.simulator.add_project(PICKED, REGION)
    asked(root, typed)
    run_worker()
    asking, answered = events(action__startswith="project:lookup:")
    assert (asking.outcome, asking.person_name, answered.outcome) == ("accepted", "root", "done")
    assert asking.after == {"iam": cloud.simulator.endpoint, "key": "static", "region": REGION}
    assert answered.after == {"projects": 1}
    assert answered.request_id == asking.request_id
    assert answered.upstream_request_id == cloud.simulator.journal()[-1].request_id
    assert PICKED not in repr((answered.response, answered.after))


UNUSABLE = f'{{"projects": [{{"id": "{PICKED}", "name": "not-ours"}}, '


@pytest.mark.parametrize(("end", "cause"), [("7]}", "bad_row"), ("", "bad_json")])
def test_the_audit_names_no_project_of_an_answer_that_cannot_be_used(
    end: str, cause: str, root: Browser, typed: dict[str, str], cloud: Cloud
) -> None:
    answer = (UNUSABLE + end).encode()
    cloud.simulator.fault("garbage", "projects", kind="custom", body=answer)
    asked(root, typed)
    run_worker()
    (answered,) = events(action="project:lookup:answered")
    assert (answered.outcome, (answered.response or {})["cause"]) == ("failed", cause)
    assert "not-ours" not in repr(answered.response)
    assert PICKED not in repr(answered.response)


def test_g48_an_ended_session_brings_back_what_was_typed_but_the_key(
    root: Browser, typed: dict[str, str], people: People
) -> None:
    page = asked(root, typed)
    session = root.session
    session["confirmed_at"] = 0
    session.save()
    turned_away = root.post(page, choice(people, name="typed-late", project_id=PICKED))
    assert parse_qs(urlsplit(turned_away["Location"]).query)["next"] == [page]
    answer = confirm(root).get(page)
    assert [value_of(answer, name) for name in ("name", "project_id")] == ["typed-late", PICKED]


def test_the_machines_key_can_be_used_too(
    root: Browser,
    typed: dict[str, str],
    people: People,
    cloud: Cloud,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.METADATA_ENDPOINT = "http://127.0.0.1:1"
    monkeypatch.setattr(
        "hyperclusters.clusters.machine.key", lambda _: Credentials(KEY.access_key, KEY.secret_key)
    )
    cloud.simulator.add_project(PICKED, REGION)
    page = asked(root, typed, key_kind="machine", access_key="", secret_key="")
    run_worker()
    assert ProjectLookup.objects.get().sealed_credentials == ""
    assert "1 project to choose from" in main(root.get(page))
    assert root.post(page, choice(people, picked=PICKED)).status_code == 302
    assert Project.objects.get().key_kind == KeyKind.MACHINE


def test_a_refused_key_of_the_machine_was_never_here_to_be_deleted(
    root: Browser, typed: dict[str, str], cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METADATA_ENDPOINT = "http://127.0.0.1:1"
    monkeypatch.setattr(
        "hyperclusters.clusters.machine.key", lambda _: Credentials(KEY.access_key, KEY.secret_key)
    )
    cloud.simulator.fault("error", "projects", status=401)
    page = asked(root, typed, key_kind="machine", access_key="", secret_key="")
    run_worker()
    text = main(root.get(page))
    assert "The cloud does not accept" in text
    assert "Search again" in text
    assert "deleted" not in text
