"""Every URL of the dashboard."""

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.i18n import set_language

from hyperclusters.web.views import accounts, audit, clusters, creations, health, home, new, reset, security

web = [
    path("", home.home, name="home"),
    path("theme/", home.theme, name="theme"),
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
    path("", clusters.listing, name="list"),
    path("refresh/", clusters.refresh, name="refresh"),
    path("new/", new.new, name="new"),
    path("<uuid:pk>/", clusters.cluster, name="cluster"),
    path("<uuid:pk>/delete/", clusters.delete, name="delete"),
]
creations_urls = [
    path("", creations.listing, name="list"),
    path("<uuid:pk>/", creations.creation, name="creation"),
    path("<uuid:pk>/withdraw/", creations.withdraw, name="withdraw"),
    path("<uuid:pk>/look/", creations.look, name="look"),
    path("<uuid:pk>/decide/", creations.decide, name="decide"),
]
audit_urls = [
    path("", audit.listing, name="list"),
    path("<int:seq>/", audit.event, name="event"),
]

urlpatterns = [
    path("", include((web, "web"))),
    path("accounts/", include((accounts_urls, "accounts"))),
    path("accounts/", include(allauth_urls)),
    path("clusters/", include((clusters_urls, "clusters"))),
    path("creations/", include((creations_urls, "creations"))),
    path("audit/", include((audit_urls, "audit"))),
    path("language/", login_not_required(set_language), name="set_language"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

handler400 = "hyperclusters.web.errors.bad_request"
handler403 = "hyperclusters.web.errors.denied"
handler404 = "hyperclusters.web.errors.not_found"
handler429 = "hyperclusters.web.errors.too_many"  # allauth looks for it here
handler500 = "hyperclusters.web.errors.server_error"
