"""Approval by a second person on pages and in the API: said before the click, found by who can give it, given once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hyperclusters.access.models import Role, User
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, grant, set_rules
from hyperclusters.clusters.creations import withdraw
from hyperclusters.clusters.models import Approval, Creation, State
from tests.api.client import Api, issue
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation
from tests.web.pages import NEW, SignIn, body, main, submit, words


@pytest.fixture
def rule(people: People) -> None:
    set_rules(people.vision, by=people.tom, approval_types=["ECS"], approval_from=20)


@pytest.fixture
def una(people: People) -> User:
    """A second admin of Vision."""
    una = add_person(username="una", email="una@example.com")
    grant(person=una, role=Role.ADMIN, team=people.vision, reason="Stands in for tom", by=people.root)
    return una


def waiting(people: People, projects: Projects, person: User | None = None) -> Creation:
    return submit_creation(person or people.ada, projects.vision, "waits", type="ECS", reason="A test")


def test_the_form_says_before_the_click_what_needs_approval_and_why(
    people: People, projects: Projects, rule: None, as_: SignIn
) -> None:
    ada = as_("ada")
    shown = main(ada.get(f"{NEW}?project=vision-cn-southwest-2&type=ECS&name=a"))
    assert (
        "Needs approval by an admin of Vision other than you Vision requires approval of ECS clusters"
        in shown
    )
    assert "Needs approval" not in main(ada.get(f"{NEW}?project=vision-cn-southwest-2&type=HPS&name=a"))
    set_rules(people.vision, by=people.tom, approval_from=1)
    assert "Vision requires approval from cluster 1 on" in main(ada.get(f"{NEW}?type=HPS&name=a"))


def test_the_form_says_if_nobody_could_approve(
    people: People, projects: Projects, rule: None, as_: SignIn
) -> None:
    nobody = "Nobody can approve it now: Vision has no other admin"
    address = f"{NEW}?project=vision-cn-southwest-2&type=ECS&name=a"
    assert nobody in main(as_("tom").get(address))
    assert nobody not in main(as_("ada").get(address))


def test_an_admin_finds_it_at_home_in_the_list_and_the_inbox_and_approves_it(
    people: People, projects: Projects, cloud: Cloud, rule: None, as_: SignIn
) -> None:
    assert submit(as_("ada"), name="waits", type="ECS", reason="A test").status_code == 302
    creation = Creation.objects.get()
    tom, page = as_("tom"), creation.get_absolute_url()
    home = body(tom.get("/"))
    assert re.search(rf'<a class="btn" href="{page}">Decide', home)
    assert "ada asks for approval of waits" in words(tom.get("/inbox/"))
    assert "ada asks for approval" not in words(as_("ada").get("/inbox/"))
    listed = main(tom.get("/creations/?state=approval"))
    assert "Needs approval 1" in listed
    assert "Needs approval by an admin" in listed
    shown = main(tom.get(page))
    assert "Waiting for approval Vision requires approval of ECS clusters." in shown
    assert f'action="{page}approval/"' in body(tom.get(page))
    region = "".join(re.findall(r'<article id="creation"[^>]*>', body(tom.get(page))))
    assert "hx-get" not in region  # a form is filled in there
    tom.post(f"{page}approval/", {"decision": "approve", "reason": "Agreed"})
    run_worker()
    assert Creation.objects.get().state == State.CREATED
    assert "tom approved waits" in words(as_("ada").get("/inbox/"))
    after = main(as_("ada").get(page))
    assert "Approval Approved · tom" in after
    assert "by tom: “Agreed”" in after
    assert "ada asks for approval of waits" not in words(tom.get("/inbox/"))


def test_who_cannot_approve_sees_who_can_and_no_form(
    people: People, projects: Projects, rule: None, as_: SignIn, una: User
) -> None:
    page = waiting(people, projects, people.tom).get_absolute_url()
    for name in ("ada", "tom", "vera", "olga"):
        shown = as_(name).get(page)
        assert "Who can approve: una" in main(shown), name
        assert "approval/" not in body(shown), name


def test_one_that_was_withdrawn_needs_no_approval_any_more(
    people: People, projects: Projects, rule: None, as_: SignIn
) -> None:
    creation = waiting(people, projects)
    withdraw(creation, by=people.ada)
    assert "Needs approval" not in main(as_("tom").get(creation.get_absolute_url()))


def test_declining_needs_a_reason_and_keeps_what_was_typed(
    people: People, projects: Projects, rule: None, as_: SignIn
) -> None:
    creation = waiting(people, projects)
    tom, page = as_("tom"), creation.get_absolute_url()
    answer = tom.post(f"{page}approval/", {"decision": "decline", "reason": " "}, follow=True)
    assert "Enter a reason to decline it. Nothing was changed." in words(answer)
    answer = tom.post(f"{page}approval/", {"reason": "typed"}, follow=True)
    assert "Choose to approve or to decline it." in words(answer)
    assert Creation.objects.get().approval == Approval.WAITING
    tom.post(f"{page}approval/", {"decision": "decline", "reason": "Not <b>now</b>"})
    shown = main(as_("ada").get(page))
    assert "Refused: nothing was sent tom declined it: “Not <b>now</b>”." in shown
    assert "tom declined it: “Not <b>now</b>”." in words(as_("ada").get("/inbox/"))
    answer = tom.post(f"{page}approval/", {"decision": "approve"}, follow=True)
    assert "This does not wait for approval any more." in words(answer)


def test_one_s_own_is_refused_in_words_on_the_page(
    people: People, projects: Projects, rule: None, as_: SignIn
) -> None:
    page = waiting(people, projects, people.tom).get_absolute_url()
    answer = as_("tom").post(f"{page}approval/", {"decision": "approve"}, follow=True)
    assert "You requested this creation: another admin of the team must decide." in words(answer)


def test_the_team_s_page_shows_the_rule_and_its_admins_change_it(
    people: People, projects: Projects, as_: SignIn
) -> None:
    tom = as_("tom")
    assert "Approval of creations Not needed" in main(tom.get("/teams/vision/?tab=rules"))
    tom.post(
        "/teams/vision/rules/",
        {"allows_open_ended": "on", "approval_types": ["ECS"], "approval_from": "20", "reason": "Budget"},
    )
    shown = main(tom.get("/teams/vision/?tab=rules"))
    assert "ECS clusters · from cluster 20 of the team on · another admin of the team approves" in shown
    answer = tom.post("/teams/vision/rules/", {"approval_types": ["GPU"], "approval_from": "0"})
    assert "Nothing was changed. Fix this first:" in main(answer)


def post(owner: User, path: str, body: Any, **token: Any) -> Any:
    return Api(issue(owner, **token)).post(path, body)


def test_a_program_sees_what_is_needed_and_who_decided(
    people: People, projects: Projects, cloud: Cloud, rule: None
) -> None:
    api, wish = Api(issue(people.ada)), {"project": "vision-cn-southwest-2", "name": "waits", "type": "ECS"}
    answer = api.post("/creations", wish, key="k1")
    row = answer.json()
    assert (answer.status_code, row["state"], row["next_check_at"]) == (202, "queued", None)
    approval = row["approval"]
    assert (approval["needed"], approval["state"], approval["why"]) == (True, "waiting", "type:ECS")
    assert api.post(f"/creations/{row['id']}/approve").status_code == 403
    answer = post(people.tom, f"/creations/{row['id']}/approve", {"reason": "Agreed"})
    approval = answer.json()["approval"]
    assert (answer.status_code, approval["state"], approval["by"]) == (200, "approved", "tom")
    assert (
        post(people.tom, f"/creations/{row['id']}/decline", {"reason": "no"}).json()["code"] == "stale_state"
    )
    run_worker()
    assert api.get(f"/creations/{row['id']}").json()["state"] == "created"
    plain = api.post("/creations", wish | {"name": "plain", "type": "HPS"}, key="k2").json()["approval"]
    assert plain == {"needed": False, "state": None, "why": "", "by": None, "at": None, "reason": ""}


def test_a_program_declines_with_a_reason_and_a_right_token_only(
    people: People, projects: Projects, rule: None, una: User
) -> None:
    creation = waiting(people, projects, people.tom)
    path = f"/creations/{creation.pk}"
    assert post(una, f"{path}/decline", {}).status_code == 422
    assert post(una, f"{path}/decline", {"reason": "no"}, scopes=["clusters:read"]).status_code == 403
    own = post(people.tom, f"{path}/approve", {})
    assert (own.status_code, own.json()["code"]) == (409, "own_approval")
    assert post(people.mallory, f"{path}/approve", {}).status_code == 404
    answer = post(una, f"{path}/decline", {"reason": "no"}).json()
    assert (answer["state"], answer["cause"], answer["approval"]["state"]) == (
        "refused",
        "declined",
        "declined",
    )


def test_a_service_identity_approves_nothing_and_its_makers_not_what_it_requests(
    people: People, projects: Projects, rule: None, una: User
) -> None:
    robot = add_service_identity(team=people.vision, name="ci", role=Role.CREATOR, reason="CI", by=people.tom)
    wish = {"project": "vision-cn-southwest-2", "name": "waits", "type": "ECS"}
    token = Api(issue(robot, by=people.tom))
    row = token.post("/creations", wish, key="k1").json()
    assert token.post(f"/creations/{row['id']}/approve").status_code == 403
    own = post(people.tom, f"/creations/{row['id']}/approve", {})
    assert (own.status_code, own.json()["code"]) == (409, "own_service")
    assert post(una, f"/creations/{row['id']}/approve", {}).status_code == 200
