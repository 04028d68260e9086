"""What holds on every page: who gets it, its headers, and what is said when something is wrong."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from hyperclusters import __version__
from hyperclusters.access import access_requests
from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.invitations import invite
from hyperclusters.access.models import Role
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.accounts.token_format import token_id
from hyperclusters.audit import clock
from hyperclusters.clusters.follow_ups import open_follow_up
from hyperclusters.clusters.heartbeat import beat
from hyperclusters.clusters.models import Cluster
from hyperclusters.web.pages.views import monitoring
from tests.api.client import issue
from tests.conftest import PASSWORD, Cloud, People, Projects, events, run_worker, submit_creation
from tests.notifications.chats import chat
from tests.permissions import table
from tests.test_architecture import API, FOR_EVERYBODY, ROUTES, SIGNING_IN
from tests.web.pages import HTMX, SignIn, body, failing_database, words

pytestmark = pytest.mark.any_database

PEOPLE = ("ada", "tom", "vera", "olga", "root", "nina", "mallory")


def row(statuses: str) -> dict[str, int]:
    """Statuses in the order of PEOPLE."""
    return dict(zip(PEOPLE, map(int, statuses.split()), strict=True))


# Who gets what from each route, for Vision's objects: Ada creates, Tom leads, Vera looks, Olga audits, Root runs the
# platform, Nina is new, Mallory creates in another team. This is the access table of promise G23, written by hand.
#                       ada tom vera olga root nina mallory
ACCESS: dict[tuple[str, str], dict[str, int]] = {
    ("get", "web:home"): row("200 200 200 200 200 200 200"),
    ("get", "web:inbox"): row("200 200 200 200 200 200 200"),
    ("get", "web:news"): row("200 200 200 200 200 200 200"),
    ("post", "web:read_inbox"): row("302 302 302 302 302 302 302"),
    ("post", "web:dismiss_failure"): row("302 404 404 404 404 404 404"),  # ada's own
    ("get", "clusters:list"): row("200 200 200 200 200 200 200"),
    ("get", "clusters:csv"): row("200 200 200 200 200 200 200"),
    ("get", "clusters:json"): row("200 200 200 200 200 200 200"),
    ("get", "clusters:new"): row("200 200 403 403 403 403 200"),
    ("post", "clusters:new"): row("422 422 403 403 403 403 422"),
    ("post", "clusters:refresh"): row("302 302 302 302 302 302 302"),
    ("get", "clusters:owners"): row("200 200 200 200 404 404 404"),
    ("post", "clusters:owners"): row("302 302 302 302 302 302 302"),  # without clusters
    ("get", "clusters:cluster"): row("200 200 200 200 404 404 404"),
    ("get", "clusters:delete"): row("200 200 200 200 404 404 404"),
    ("post", "clusters:check"): row("302 302 302 302 404 404 404"),
    ("post", "clusters:delete"): row("403 422 403 403 404 404 404"),  # nobody owns it
    ("post", "clusters:owner"): row("403 422 403 403 404 404 404"),
    ("post", "clusters:claim"): row("403 403 403 422 404 404 404"),
    ("post", "clusters:lock"): row("422 422 403 403 404 404 404"),
    ("post", "clusters:unlock"): row("403 422 403 403 404 404 404"),
    ("post", "clusters:capacity"): row("302 302 302 302 404 404 404"),
    ("post", "clusters:traces"): row("403 302 403 302 404 404 404"),
    ("get", "creations:list"): row("200 200 200 200 200 200 200"),
    ("get", "creations:csv"): row("200 200 200 200 200 200 200"),
    ("get", "creations:json"): row("200 200 200 200 200 200 200"),
    ("get", "creations:creation"): row("200 200 200 200 404 404 404"),
    ("get", "creations:of_form"): row("302 404 404 404 404 404 404"),  # one's own form alone
    ("post", "creations:look"): row("302 302 302 302 404 404 404"),
    ("post", "creations:decide"): row("403 302 403 403 404 404 404"),
    ("post", "creations:approval"): row("403 302 403 403 404 404 404"),
    ("post", "creations:withdraw"): row("302 302 403 403 404 404 404"),
    ("get", "creations:open_follow_up"): row("403 403 403 200 404 404 404"),
    ("post", "creations:open_follow_up"): row("403 403 403 422 404 404 404"),
    ("get", "creations:follow_up"): row("200 200 404 200 404 404 404"),  # ada is asked
    ("post", "creations:answer"): row("422 403 404 422 404 404 404"),
    ("post", "creations:reassign"): row("403 403 404 422 404 404 404"),
    ("post", "creations:reschedule"): row("403 403 404 422 404 404 404"),
    ("post", "creations:close"): row("403 403 404 422 404 404 404"),  # of an old form
    ("get", "audit:list"): row("403 200 403 200 403 403 403"),
    ("get", "audit:event"): row("403 200 403 200 403 403 403"),
    ("get", "projects:list"): row("403 403 403 403 200 403 403"),
    ("get", "projects:connect"): row("403 403 403 403 302 403 403"),
    ("post", "projects:connect"): row("403 403 403 403 302 403 403"),  # 302: first the password again
    ("get", "projects:pick"): row("403 403 403 403 302 403 403"),
    ("post", "projects:pick"): row("403 403 403 403 302 403 403"),
    ("get", "projects:change"): row("403 403 403 403 302 403 403"),
    ("get", "projects:key"): row("403 403 403 403 302 403 403"),
    ("get", "projects:retire"): row("403 403 403 403 302 403 403"),
    ("post", "projects:retire"): row("403 403 403 403 302 403 403"),
    ("post", "projects:restore"): row("403 403 403 403 302 403 403"),
    ("get", "projects:project"): row("403 403 403 403 200 403 403"),
    ("post", "projects:change"): row("403 403 403 403 302 403 403"),
    ("post", "projects:key"): row("403 403 403 403 302 403 403"),
    ("post", "projects:test"): row("403 403 403 403 302 403 403"),
    ("get", "audit:archive"): row("403 200 403 200 403 403 403"),
    ("post", "audit:verify"): row("403 403 403 404 403 403 403"),  # no archive begins there
    ("post", "audit:download"): row("403 403 403 404 403 403 403"),
    ("get", "audit:summary"): row("403 200 403 200 403 403 403"),
    ("get", "audit:chain"): row("403 200 403 200 403 403 403"),
    ("get", "audit:alerts"): row("403 403 403 200 403 403 403"),
    ("post", "audit:alerts"): row("403 403 403 422 403 403 403"),
    ("post", "audit:test_alerts"): row("403 403 403 302 403 403 403"),
    ("post", "audit:check_now"): row("403 403 403 302 403 403 403"),
    ("post", "audit:acknowledge"): row("403 403 403 422 403 403 403"),  # nothing is there to acknowledge
    ("get", "audit:export"): row("403 200 403 200 403 403 403"),
    ("post", "audit:export"): row("403 422 403 422 403 403 403"),
    ("get", "audit:review"): row("403 403 403 200 403 403 403"),
    ("get", "audit:reports"): row("403 403 403 200 403 403 403"),
    ("get", "audit:report"): row("403 403 403 404 403 403 403"),
    ("get", "audit:report-file"): row("403 403 403 404 403 403 403"),
    ("post", "audit:mark"): row("403 403 403 302 403 403 403"),
    ("post", "audit:account_all"): row("403 403 403 302 403 403 403"),
    ("post", "audit:account"): row("403 403 403 422 403 403 403"),
    ("get", "teams:list"): row("200 200 200 200 200 200 200"),
    ("get", "teams:team"): row("200 200 200 200 200 404 404"),
    ("get", "teams:who"): row("200 200 200 200 200 404 404"),
    ("get", "teams:rules"): row("403 200 403 403 403 404 404"),
    ("post", "teams:rules"): row("403 302 403 403 403 404 404"),
    ("get", "teams:quota"): row("403 403 403 403 200 404 404"),
    ("post", "teams:quota"): row("403 403 403 403 302 404 404"),
    ("get", "teams:give"): row("403 200 403 403 200 404 404"),
    ("post", "teams:give"): row("403 422 403 403 422 404 404"),
    ("get", "teams:grant"): row("403 200 403 403 200 404 404"),
    ("post", "teams:grant"): row("403 422 403 403 422 404 404"),
    ("get", "teams:revoke"): row("403 200 403 403 200 404 404"),
    ("post", "teams:revoke"): row("403 422 403 403 422 404 404"),
    ("get", "teams:rename"): row("403 403 403 403 200 404 404"),
    ("post", "teams:rename"): row("403 403 403 403 422 404 404"),
    ("get", "teams:messages"): row("403 200 403 403 403 404 404"),
    ("get", "teams:add_target"): row("403 200 403 403 403 404 404"),
    ("post", "teams:add_target"): row("403 422 403 403 403 404 404"),
    ("get", "teams:target"): row("403 200 403 403 403 404 404"),
    ("post", "teams:target"): row("403 422 403 403 403 404 404"),
    ("post", "teams:act_on_target"): row("403 302 403 403 403 404 404"),
    ("get", "audit:messages"): row("403 403 403 200 403 403 403"),
    ("get", "audit:add_target"): row("403 403 403 200 403 403 403"),
    ("post", "audit:add_target"): row("403 403 403 422 403 403 403"),
    ("get", "audit:target"): row("403 403 403 200 403 403 403"),
    ("post", "audit:target"): row("403 403 403 422 403 403 403"),
    ("post", "audit:act_on_target"): row("403 403 403 302 403 403 403"),
    ("get", "teams:review"): row("403 200 403 200 200 404 404"),
    ("post", "teams:review"): row("403 422 403 403 422 404 404"),
    ("get", "teams:open_review"): row("403 200 403 200 200 404 404"),
    ("post", "teams:open_review"): row("403 422 403 422 422 404 404"),
    ("get", "teams:cancel_review"): row("403 200 403 200 200 404 404"),
    ("post", "teams:cancel_review"): row("403 422 403 422 422 404 404"),
    ("get", "teams:evidence"): row("403 200 403 200 403 404 404"),
    ("get", "teams:evidence_file"): row("403 200 403 200 403 404 404"),
    ("get", "teams:request"): row("403 200 403 403 403 404 404"),
    ("post", "teams:request"): row("403 200 403 403 403 404 404"),
    ("get", "teams:add_service"): row("403 200 403 403 403 404 404"),
    ("post", "teams:add_service"): row("403 422 403 403 403 404 404"),
    ("get", "teams:remove_service"): row("403 200 403 403 403 404 404"),
    ("post", "teams:remove_service"): row("403 422 403 403 403 404 404"),
    ("get", "access:new_token"): row("302 302 302 302 302 302 302"),  # first the password again
    ("post", "access:new_token"): row("302 302 302 302 302 302 302"),
    ("post", "access:revoke_token"): row("302 404 404 404 404 404 404"),  # ada's own
    ("get", "api"): row("200 200 200 200 200 200 200"),
    ("post", "teams:owners"): row("403 302 403 403 403 404 404"),
    ("post", "teams:uninvite"): row("403 302 403 403 403 404 404"),
    ("get", "access:mine"): row("200 200 200 200 200 200 200"),
    ("post", "access:ask"): row("422 422 422 422 422 422 422"),
    ("post", "access:withdraw"): row("404 404 404 404 404 302 404"),
    ("get", "access:invitation"): row("404 404 404 404 404 404 404"),
    ("post", "access:invitation"): row("404 404 404 404 404 404 404"),
    ("get", "people:list"): row("403 403 403 403 200 403 403"),
    ("get", "people:appoint"): row("403 403 403 403 302 403 403"),
    ("post", "people:appoint"): row("403 403 403 403 302 403 403"),
    ("get", "people:dismiss"): row("403 403 403 403 302 403 403"),
    ("post", "people:dismiss"): row("403 403 403 403 302 403 403"),
    ("get", "people:activity"): row("403 403 403 403 302 403 403"),
    ("post", "people:activity"): row("403 403 403 403 302 403 403"),
    ("get", "people:correct"): row("403 403 403 403 302 403 403"),
    ("post", "people:correct"): row("403 403 403 403 302 403 403"),
    ("get", "people:invite"): row("403 403 403 403 200 403 403"),
    ("post", "people:invite"): row("403 403 403 403 422 403 403"),
    ("get", "people:add_team"): row("403 403 403 403 200 403 403"),
    ("post", "people:add_team"): row("403 403 403 403 422 403 403"),
    ("get", "accounts:login"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:login"): row("200 200 200 200 200 200 200"),
    ("get", "web:jump"): row("200 200 200 200 200 200 200"),
    ("post", "web:draft"): row("404 404 404 404 404 404 404"),  # of no form
    ("post", "web:save_view"): row("404 404 404 404 404 404 404"),  # of no page
    ("post", "web:delete_view"): row("404 404 404 404 404 404 404"),  # there is none
    ("post", "web:theme"): row("302 302 302 302 302 302 302"),
    ("post", "set_language"): row("302 302 302 302 302 302 302"),
    ("get", "set_language"): row("302 302 302 302 302 302 302"),
    ("get", "healthz"): row("200 200 200 200 200 200 200"),
    ("get", "readyz"): row("200 200 200 200 200 200 200"),
    ("get", "accounts:company"): row("404 404 404 404 404 404 404"),  # no provider is set up here
    ("get", "openid_connect_callback"): row("404 404 404 404 404 404 404"),
    ("get", "account_login"): row("302 302 302 302 302 302 302"),
    ("post", "account_login"): row("200 200 200 200 200 200 200"),
    ("get", "mfa_authenticate"): row("302 302 302 302 302 302 302"),
    ("post", "mfa_authenticate"): row("302 302 302 302 302 302 302"),
    ("get", "mfa_login_webauthn"): row("302 302 302 302 302 302 302"),
    ("post", "mfa_login_webauthn"): row("302 302 302 302 302 302 302"),
    ("get", "accounts:ask_reset"): row("200 200 200 200 200 200 200"),
    ("post", "accounts:ask_reset"): row("200 200 200 200 200 200 200"),
    ("get", "accounts:reset"): row("410 410 410 410 410 410 410"),
    ("post", "accounts:reset"): row("410 410 410 410 410 410 410"),
    ("get", "accounts:confirm"): row("200 200 200 200 200 200 200"),
    ("post", "accounts:confirm"): row("200 200 200 200 200 200 200"),
    ("get", "accounts:security"): row("200 200 200 200 200 200 200"),
    ("get", "accounts:add_app"): row("302 302 302 302 302 302 302"),  # first the password again
    ("post", "accounts:add_app"): row("302 302 302 302 302 302 302"),
    ("get", "accounts:add_passkey"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:add_passkey"): row("302 302 302 302 302 302 302"),
    ("get", "accounts:password"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:password"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:recovery_codes"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:remove_factor"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:end_session"): row("302 302 302 302 302 302 302"),
    ("post", "accounts:everywhere"): row("302 302 302 302 302 302 302"),
    ("get", "metrics"): row("404 404 404 404 404 404 404"),
    ("post", "accounts:logout"): row("302 302 302 302 302 302 302"),
}


CONFIRMED = {
    "accounts:add_app",
    "accounts:add_passkey",
    "accounts:password",
    "access:new_token",
}  # ask who is there first
ENDING = {"accounts:logout", "accounts:everywhere"}  # after these one is signed out


@pytest.fixture
def paths(people: People, projects: Projects, cloud: Cloud) -> dict[str, str]:
    """An address for each route, with Vision's own objects where it wants some."""
    cloud.simulator.add_cluster(projects.vision.project_id, "theirs")
    run_worker()
    creation = submit_creation(people.ada, projects.vision, "waiting")
    waiting = creation.get_absolute_url()
    follow_up = open_follow_up(
        by=people.olga, creation=creation, to="ada", due_on=clock.today(), text="why", token=uuid.uuid4()
    ).get_absolute_url()
    cluster = Cluster.objects.get().get_absolute_url()
    access_request = access_requests.ask(
        person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="x"
    )
    access_review = open_review(people.vision, due_on=clock.today(), by=people.tom)
    invited = invite(email="new@example.com", team=people.vision, role=Role.VIEWER, reason="x", by=people.tom)
    robot = add_service_identity(
        team=people.vision, name="robot", role=Role.VIEWER, reason="x", by=people.tom
    )
    return {
        "web:home": "/",
        "web:inbox": "/inbox/",
        "web:news": "/inbox/news/",
        "web:read_inbox": "/inbox/read/",
        "web:dismiss_failure": f"/home/dismiss/{creation.pk}/",
        "web:theme": "/theme/",
        "web:save_view": "/views/",
        "web:delete_view": "/views/1/delete/",
        "web:draft": "/draft/",
        "web:jump": "/jump/",
        "accounts:login": "/accounts/login/",
        "accounts:logout": "/accounts/logout/",
        "accounts:company": "/accounts/company/",
        "openid_connect_callback": "/accounts/company/callback/",
        "account_login": "/accounts/login/",
        "mfa_authenticate": "/accounts/login/second-step/",
        "mfa_login_webauthn": "/accounts/login/passkey/",
        "accounts:ask_reset": "/accounts/reset/",
        "accounts:reset": "/accounts/reset/MQ/made-up/",
        "accounts:confirm": "/accounts/confirm/",
        "accounts:security": "/accounts/security/",
        "accounts:add_app": "/accounts/security/app/",
        "accounts:add_passkey": "/accounts/security/passkey/",
        "accounts:password": "/accounts/security/password/",
        "accounts:recovery_codes": "/accounts/security/recovery-codes/",
        "accounts:remove_factor": "/accounts/security/factors/1/remove/",
        "accounts:end_session": "/accounts/security/sessions/end/",
        "accounts:everywhere": "/accounts/security/sessions/end-all/",
        "clusters:list": "/clusters/",
        "clusters:csv": "/clusters/clusters.csv",
        "clusters:json": "/clusters/clusters.json",
        "clusters:owners": f"/clusters/owners/?selected=1&cluster={cluster.rstrip('/').rpartition('/')[2]}",
        "clusters:refresh": "/clusters/refresh/",
        "clusters:new": "/clusters/new/",
        "clusters:cluster": cluster,
        "clusters:delete": f"{cluster}delete/",
        "clusters:check": f"{cluster}check/",
        "clusters:owner": f"{cluster}owner/",
        "clusters:claim": f"{cluster}claim/",
        "clusters:lock": f"{cluster}lock/",
        "clusters:unlock": f"{cluster}unlock/",
        "clusters:capacity": f"{cluster}capacity/",
        "clusters:traces": f"{cluster}traces/",
        "creations:list": "/creations/",
        "creations:csv": "/creations/creations.csv",
        "creations:json": "/creations/creations.json",
        "creations:creation": waiting,
        "creations:withdraw": f"{waiting}withdraw/",
        "creations:of_form": f"/creations/form/{creation.token}/",
        "creations:look": f"{waiting}look/",
        "creations:decide": f"{waiting}decide/",
        "creations:open_follow_up": f"{waiting}follow-up/",
        "creations:follow_up": follow_up,
        "creations:answer": f"{follow_up}answer/",
        "creations:reassign": f"{follow_up}reassign/",
        "creations:reschedule": f"{follow_up}reschedule/",
        "creations:close": f"{follow_up}close/",
        "creations:approval": f"{waiting}approval/",
        "audit:list": "/audit/",
        "audit:event": events(team_name="Vision")[-1].get_absolute_url(),
        "projects:list": "/projects/",
        "projects:connect": "/projects/new/",
        "projects:pick": f"/projects/new/{uuid.uuid4()}/",
        "projects:project": projects.vision.get_absolute_url(),
        "projects:change": f"{projects.vision.get_absolute_url()}change/",
        "projects:key": f"{projects.vision.get_absolute_url()}key/",
        "projects:retire": f"{projects.vision.get_absolute_url()}retire/",
        "projects:restore": f"{projects.vision.get_absolute_url()}restore/",
        "projects:test": f"{projects.vision.get_absolute_url()}test/",
        "audit:summary": "/audit/summary/",
        "audit:archive": "/audit/archive/?reads=0",
        "audit:verify": "/audit/archive/1/verify/",
        "audit:download": "/audit/archive/1/download/",
        "audit:chain": "/audit/chain/",
        "audit:alerts": "/audit/alerts/",
        "audit:test_alerts": "/audit/alerts/test/",
        "audit:check_now": "/audit/chain/check/",
        "audit:acknowledge": "/audit/chain/acknowledge/",
        "audit:export": "/audit/export/",
        "audit:review": "/audit/review/",
        "audit:reports": "/audit/reports/",
        "audit:report": "/audit/reports/2001-01/",
        "audit:report-file": "/audit/reports/2001-01.json",
        "audit:mark": "/audit/review/mark/",
        "audit:account_all": "/audit/review/elsewhere/",
        "audit:account": f"/audit/review/{Cluster.objects.get().pk}/",
        "teams:list": "/teams/",
        "teams:team": "/teams/vision/",
        "teams:who": "/teams/vision/who.csv",
        "teams:rules": "/teams/vision/rules/",
        "teams:quota": "/teams/vision/quota/",
        "teams:rename": "/teams/vision/name/",
        "teams:owners": "/teams/vision/owners/",
        "teams:give": "/teams/vision/give/",
        "teams:grant": f"/teams/vision/grants/{people.vera.grants.get().pk}/",
        "teams:revoke": f"/teams/vision/grants/{people.vera.grants.get().pk}/revoke/",
        "teams:review": "/teams/vision/review/",
        "teams:open_review": "/teams/vision/review/open/",
        "teams:cancel_review": "/teams/vision/review/cancel/",
        "teams:evidence": access_review.get_absolute_url(),
        "teams:evidence_file": f"{access_review.get_absolute_url()}evidence.json",
        "teams:request": f"/teams/vision/requests/{access_request.pk}/",
        "teams:messages": "/teams/vision/messages/",
        "teams:add_target": "/teams/vision/messages/new/",
        "teams:target": f"/teams/vision/messages/{chat(people.vision, people.tom)}/",
        "teams:act_on_target": f"/teams/vision/messages/{chat(people.vision, people.tom)}/act/",
        "audit:messages": "/audit/messages/",
        "audit:add_target": "/audit/messages/new/",
        "audit:target": f"/audit/messages/{chat(None, people.olga)}/",
        "audit:act_on_target": f"/audit/messages/{chat(None, people.olga)}/act/",
        "teams:add_service": "/teams/vision/services/new/",
        "teams:remove_service": f"/teams/vision/services/{robot.pk}/remove/",
        "access:new_token": "/access/tokens/new/",
        "access:revoke_token": f"/access/tokens/{token_id(issue(people.ada))}/revoke/",
        "api": "/api/",
        "teams:uninvite": f"/teams/vision/invitations/{invited.pk}/withdraw/",
        "access:mine": "/access/",
        "access:ask": "/access/ask/",
        "access:withdraw": f"/access/requests/{access_request.pk}/withdraw/",
        "access:invitation": "/access/invitations/forged/",
        "people:list": "/people/",
        "people:invite": "/people/invite/",
        "people:appoint": "/people/appoint/",
        "people:dismiss": f"/people/roles/{people.olga.grants.get().pk}/end/",
        "people:activity": f"/people/{people.nina.pk}/activity/",
        "people:correct": f"/people/{people.nina.pk}/correct/",
        "people:add_team": "/people/teams/",
        "set_language": "/language/",
        "healthz": "/healthz",
        "readyz": "/readyz",
        "metrics": "/metrics",
    }


def test_g23_every_route_has_its_row_in_the_access_table(paths: dict[str, str]) -> None:
    assert {name for _, name in ACCESS} == ROUTES - API == set(paths)
    assert ACCESS.keys() == {(entry.method, entry.route) for entry in table() if entry.route not in API}


def test_g23_everybody_gets_what_the_access_table_says(paths: dict[str, str], as_: SignIn) -> None:
    for name in PEOPLE:
        browser = as_(name)
        got = {
            (method, route): getattr(browser, method)(paths[route]).status_code for method, route in ACCESS
        }
        assert got == {key: statuses[name] for key, statuses in ACCESS.items()}, name


def test_g23_a_fragment_is_given_to_whom_its_page_is_given(paths: dict[str, str], as_: SignIn) -> None:
    for name in ("ada", "nina", "mallory"):
        browser = as_(name)
        for method, route in ACCESS:
            if method == "get":
                answer = browser.get(paths[route], headers=HTMX)
                if route in CONFIRMED:
                    assert answer["HX-Redirect"].startswith("/accounts/confirm/"), (name, route)
                else:
                    assert answer.status_code == ACCESS[method, route][name], (name, route)


CSP = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def check_headers(answer: Any) -> None:
    """The security headers, the request's ID, and nothing kept by a cache."""
    assert set(answer["Content-Security-Policy"].split("; ")) == CSP
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-Id"])
    assert "no-store" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]


def test_every_answer_carries_the_security_headers(paths: dict[str, str], as_: SignIn) -> None:
    ada, nobody = as_("ada"), Browser()
    answers = [getattr(ada, method)(paths[route]) for method, route in ACCESS if route not in ENDING]
    answers += [nobody.get(path) for path in paths.values()]
    answers += [
        nobody.get("/nothing"),
        ada.get("/nothing"),
        ada.put("/clusters/"),
        nobody.post("/accounts/login/"),
    ]
    answers += [ada.get("/clusters/", headers=HTMX), nobody.get("/clusters/", headers=HTMX)]
    assert {200, 204, 302, 403, 404, 405, 422} <= {answer.status_code for answer in answers}
    for answer in answers:
        check_headers(answer)
    assert len({answer["X-Request-Id"] for answer in answers}) == len(answers)


def test_cookies_are_kept_from_scripts_and_other_sites(people: People) -> None:
    browser = Browser()
    browser.get("/accounts/login/")
    browser.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    browser.post("/theme/", {"theme": "dark"})
    assert {"csrf", "session", "theme"} <= browser.cookies.keys()
    for cookie in browser.cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize(
    "path", ["/nothing", "/clusters/not-an-id/", "/creations/1/", "/audit/x/", "/clusters/\x00/"]
)
def test_a_page_that_is_not_there_says_so_and_carries_its_id(path: str, as_: SignIn) -> None:
    for browser in (as_("ada"), Browser()):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert "It does not exist, or you don't have access to it." in words(answer)
        assert answer["X-Request-Id"] in body(answer)
        check_headers(answer)


def test_a_denied_page_says_whom_to_ask_and_carries_its_id(as_: SignIn) -> None:
    answer = as_("ada").get("/audit/")
    assert "Only auditors and team admins can read the audit." in words(answer)
    assert answer["X-Request-Id"] in body(answer)


@pytest.mark.parametrize("path", ["/", "/clusters/", "/clusters/new/", "/audit/", "/accounts/login/"])
def test_a_database_that_is_away_gives_a_page_that_needs_none(path: str, as_: SignIn) -> None:
    olga = as_("olga")
    olga.raise_request_exception = False
    with failing_database():
        answer = olga.get(path)
    assert answer.status_code == 503
    assert "The database is busy or does not answer." in words(answer)
    assert "the database is away" not in body(answer)  # no stack trace, no words of the error
    assert answer["X-Request-Id"] in body(answer)
    check_headers(answer)


def test_a_form_far_too_large_is_refused_kindly(as_: SignIn, projects: Projects) -> None:
    answer = as_("ada").post("/clusters/new/", {"name": "a" * 100_000})
    assert answer.status_code == 400
    assert "Nothing was sent to the cloud." in words(answer)
    check_headers(answer)


def test_a_host_that_is_not_ours_is_refused(as_: SignIn) -> None:
    answer = Browser().get("/accounts/login/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in body(answer)


def test_health_asks_nothing_of_the_database_and_readiness_does(database: None) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert Browser().get("/healthz").json() == {"status": "ok"}
    assert len(captured) == 0
    ok = dict.fromkeys(("status", "database", "schema", "static", "audit", "clock"), "ok")
    assert Browser().get("/readyz").json() == ok | {"worker": "none", "version": __version__}
    beat("one")
    assert Browser().get("/readyz").json()["worker"] == "alive"
    with failing_database():
        answer = Browser().get("/readyz")
        assert Browser().get("/healthz").status_code == 200
    assert answer.status_code == 503
    assert "the database is away" not in body(answer)


def test_readiness_wants_the_whole_schema_and_the_collected_files(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(
            monitoring, "migrations_on_disk", lambda: frozenset({("clusters", "9999_next_release")})
        )
        answer = Browser().get("/readyz")
    assert (answer.status_code, answer.json()["schema"]) == (503, "1 migrations are not applied")
    monkeypatch.setattr(staticfiles_storage, "hashed_files", {}, raising=False)
    answer = Browser().get("/readyz")
    assert (answer.status_code, answer.json()["static"]) == (503, "not collected")


def test_a_page_says_when_no_worker_runs(as_: SignIn, projects: Projects) -> None:
    ada = as_("ada")
    assert "No worker is running" in words(ada.get("/clusters/"))
    beat("one")
    assert "No worker is running" not in words(ada.get("/clusters/"))


FOREIGN = [
    "//evil.example",
    "https://evil.example/",
    "/\\evil.example",
    "javascript:alert(1)",
    "http:evil.example",
    "",
]


@pytest.mark.parametrize("path", ["/theme/", "/language/"])
def test_a_switch_never_leads_to_another_site(path: str, database: None) -> None:
    for target in FOREIGN:
        answer = Browser().post(path, {"theme": "dark", "language": "zh-hans", "next": target})
        assert answer.status_code == 302
        assert answer["Location"] == "/", target


@pytest.mark.parametrize("path", ["/theme/", "/language/"])
def test_a_switch_leads_back_to_where_one_was(path: str, database: None) -> None:
    answer = Browser().post(path, {"theme": "dark", "language": "zh-hans", "next": "/clusters/?q=a"})
    assert answer["Location"] == "/clusters/?q=a"
    for target in ("clusters", "?q=1", "no-such-page"):
        assert Browser().post(path, {"next": target}).status_code == 302


def test_the_theme_is_kept_and_comes_with_the_first_byte(as_: SignIn) -> None:
    ada = as_("ada")
    for theme, text in (("dark", "dark"), ("light", "light"), ("system", ""), ("<b>", "")):
        ada.post("/theme/", {"theme": theme})
        assert re.search(rf'<html lang="en"\s+class="{text}"', body(ada.get("/")))
    ada.cookies["theme"] = '"><script>'
    assert re.search(r'<html lang="en"\s+class=""', body(ada.get("/")))


def test_the_language_is_the_browser_s_until_another_is_chosen(as_: SignIn) -> None:
    ada = as_("ada")
    assert '<html lang="zh-hans"' in body(ada.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}))
    assert '<html lang="en"' in body(ada.get("/", headers={"Accept-Language": "fr"}))
    ada.post("/language/", {"language": "zh-hans", "next": "/"})
    assert '<html lang="zh-hans"' in body(ada.get("/"))
    ada.post("/language/", {"language": "<b>", "next": "/"})
    assert '<html lang="zh-hans"' in body(ada.get("/"))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "text"),
    [
        (0, "203.0.113.9", "192.0.2.7"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # what stands further left was written by the caller
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (2, "203.0.113.9", "192.0.2.7"),
        (1, "", "192.0.2.7"),
        (1, "x" * 500, "192.0.2.7"),  # no address: it counts as the proxy's
    ],
)
def test_the_address_written_down_is_one_that_the_caller_cannot_choose(
    proxies: int, forwarded: str, text: str, people: People, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = proxies
    Browser().post(
        "/accounts/login/", {"username": "x"}, headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="192.0.2.7"
    )
    assert events(action="session:sign-in:failed")[-1].ip == text


def test_everybody_gets_the_signed_out_pages(database: None) -> None:
    assert (
        SIGNING_IN
        | {
            "access:invitation",
            "web:theme",
            "web:draft",
            "set_language",
            "healthz",
            "readyz",
            "metrics",
            "api",
        }
        == FOR_EVERYBODY
    )
    assert "Sign in" in words(Browser().get("/accounts/login/"))
    assert "Demo people" not in words(Browser().get("/accounts/login/"))


def test_a_head_request_records_nothing(paths: dict[str, str], as_: SignIn) -> None:
    """Office programs ask so before they download: nothing has been read or taken out by that."""
    for person in PEOPLE:
        browser = as_(person)
        for (method, route), statuses in ACCESS.items():
            if method != "get" or statuses[person] != 200:
                continue
            before = len(events())
            assert browser.head(paths[route]).status_code in {200, 405}, route  # 405: forms
            assert [event.action for event in events()[before:]] == [], (person, route)
