"""Every URL of the dashboard."""

from django.urls import include, path
from django.views.i18n import set_language

from hyperclusters.api import urls as api_urls
from hyperclusters.api import views as api_views
from hyperclusters.web import decorators
from hyperclusters.web.views import (
    access,
    accounts,
    audit,
    cluster_list,
    clusters,
    creations,
    drafts,
    export,
    grants,
    health,
    home,
    integrity,
    jump,
    metrics,
    new,
    people,
    projects,
    reset,
    review,
    security,
    teams,
    tokens,
)

web = [
    path("", home.home, name="home"),
    path("theme/", home.theme, name="theme"),
    path("jump/", jump.jump, name="jump"),
    path("draft/", drafts.draft, name="draft"),
]
accounts_urls = [
    path("login/", accounts.sign_in, name="login"),
    path("logout/", accounts.sign_out, name="logout"),
    path("company/", accounts.company, name="company"),
    path("confirm/", accounts.confirm, name="confirm"),
    path("reset/", reset.ask, name="ask_reset"),
    path("reset/<str:uid>/<str:token>/", reset.reset, name="reset"),
    path("security/", security.overview, name="security"),
    path("security/app/", security.add_app, name="add_app"),
    path("security/passkey/", security.add_passkey, name="add_passkey"),
    path("security/recovery-codes/", security.recovery_codes, name="recovery_codes"),
    path("security/factors/<int:pk>/remove/", security.remove_factor, name="remove_factor"),
    path("security/password/", security.password, name="password"),
    path("security/sessions/end/", security.end_session, name="end_session"),
    path("security/sessions/end-all/", security.everywhere, name="everywhere"),
]
# allauth knows these by its own names, and leads people to them.
allauth_urls = [
    path("login/", accounts.sign_in, name="account_login"),
    path("login/second-step/", accounts.second_step, name="mfa_authenticate"),
    path("login/passkey/", accounts.passkey, name="mfa_login_webauthn"),
    path(
        "company/callback/",
        accounts.company_callback,
        {"provider_id": "company"},
        name="openid_connect_callback",
    ),
]
clusters_urls = [
    path("", cluster_list.listing, name="list"),
    path("clusters.csv", cluster_list.as_csv, name="csv"),
    path("clusters.json", cluster_list.as_json, name="json"),
    path("refresh/", cluster_list.refresh, name="refresh"),
    path("new/", new.new, name="new"),
    path("<uuid:pk>/", clusters.cluster, name="cluster"),
    path("<uuid:pk>/delete/", clusters.delete, name="delete"),
]
creations_urls = [
    path("", creations.listing, name="list"),
    path("<uuid:pk>/", creations.creation, name="creation"),
    path("form/<uuid:token>/", creations.of_form, name="of_form"),
    path("<uuid:pk>/withdraw/", creations.withdraw, name="withdraw"),
    path("<uuid:pk>/look/", creations.look, name="look"),
    path("<uuid:pk>/decide/", creations.decide, name="decide"),
]
audit_urls = [
    path("", audit.listing, name="list"),
    path("summary/", audit.summary, name="summary"),
    path("chain/", integrity.chain, name="chain"),
    path("chain/acknowledge/", integrity.acknowledge_findings, name="acknowledge"),
    path("review/", review.queue, name="review"),
    path("review/mark/", review.mark, name="mark"),
    path("review/<uuid:pk>/", review.account, name="account"),
    path("export/", export.export, name="export"),
    path("<int:seq>/", audit.event, name="event"),
]
teams_urls = [
    path("", teams.listing, name="list"),
    path("<slug:slug>/", teams.team, name="team"),
    path("<slug:slug>/who.csv", teams.who, name="who"),
    path("<slug:slug>/rules/", teams.rules, name="rules"),
    path("<slug:slug>/quota/", teams.quota, name="quota"),
    path("<slug:slug>/give/", grants.give, name="give"),
    path("<slug:slug>/grants/<int:pk>/", grants.grant, name="grant"),
    path("<slug:slug>/review/", grants.review, name="review"),
    path("<slug:slug>/services/new/", tokens.add_service, name="add_service"),
    path("<slug:slug>/services/<int:pk>/remove/", tokens.remove_service, name="remove_service"),
    path("<slug:slug>/requests/<int:pk>/", grants.decide, name="request"),
    path("<slug:slug>/invitations/<uuid:pk>/withdraw/", grants.uninvite, name="uninvite"),
]
access_urls = [
    path("", access.mine, name="mine"),
    path("ask/", access.ask, name="ask"),
    path("tokens/new/", tokens.new, name="new_token"),
    path("tokens/<str:pk>/revoke/", tokens.revoke, name="revoke_token"),
    path("requests/<int:pk>/withdraw/", access.withdraw, name="withdraw"),
    path("invitations/<str:token>/", access.invitation, name="invitation"),
]
people_urls = [
    path("", people.listing, name="list"),
    path("appoint/", people.appoint, name="appoint"),
    path("roles/<int:pk>/end/", people.dismiss, name="dismiss"),
    path("<int:pk>/activity/", people.activity, name="activity"),
    path("<int:pk>/correct/", people.correct, name="correct"),
    path("teams/", people.add_team, name="add_team"),
]
projects_urls = [
    path("", projects.listing, name="list"),
    path("new/", projects.connect, name="connect"),
    path("<int:pk>/", projects.project, name="project"),
    path("<int:pk>/change/", projects.change, name="change"),
    path("<int:pk>/key/", projects.key, name="key"),
    path("<int:pk>/test/", projects.test, name="test"),
]

urlpatterns = [
    path("", include((web, "web"))),
    path("accounts/", include((accounts_urls, "accounts"))),
    path("accounts/", include(allauth_urls)),
    path("clusters/", include((clusters_urls, "clusters"))),
    path("creations/", include((creations_urls, "creations"))),
    path("audit/", include((audit_urls, "audit"))),
    path("teams/", include((teams_urls, "teams"))),
    path("access/", include((access_urls, "access"))),
    path("people/", include((people_urls, "people"))),
    path("projects/", include((projects_urls, "projects"))),
    path(
        "language/",
        decorators.access(get=decorators.PUBLIC, post=decorators.PUBLIC)(set_language),
        name="set_language",
    ),
    path("api/", api_views.reference, name="api"),
    path("api/v1/", include((api_urls.urlpatterns, "api"))),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "hyperclusters.web.errors.bad_request"
handler403 = "hyperclusters.web.errors.denied"
handler404 = "hyperclusters.web.errors.not_found"
handler429 = "hyperclusters.web.errors.too_many"  # allauth looks for it here
handler500 = "hyperclusters.web.errors.server_error"
