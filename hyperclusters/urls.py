"""Every URL of the dashboard."""

from django.urls import include, path
from django.views.i18n import set_language

from hyperclusters.web.access.urls import access_urls, people_urls, teams_urls
from hyperclusters.web.audit.urls import audit_urls
from hyperclusters.web.clusters.urls import clusters_urls, creations_urls
from hyperclusters.web.shared import decorators
from hyperclusters.web.views import (
    accounts,
    drafts,
    health,
    home,
    jump,
    metrics,
    projects,
    reset,
    security,
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
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "hyperclusters.web.shared.errors.bad_request"
handler403 = "hyperclusters.web.shared.errors.denied"
handler404 = "hyperclusters.web.shared.errors.not_found"
handler429 = "hyperclusters.web.shared.errors.too_many"  # allauth looks for it here
handler500 = "hyperclusters.web.shared.errors.server_error"
