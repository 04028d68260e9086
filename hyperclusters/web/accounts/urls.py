"""Signing in, and what one signs in with."""

from django.urls import path

from hyperclusters.web.accounts.views import reset, security, sign_in

accounts_urls = [
    path("login/", sign_in.sign_in, name="login"),
    path("logout/", sign_in.sign_out, name="logout"),
    path("company/", sign_in.company, name="company"),
    path("confirm/", sign_in.confirm, name="confirm"),
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
    path("login/", sign_in.sign_in, name="account_login"),
    path("login/second-step/", sign_in.second_step, name="mfa_authenticate"),
    path("login/passkey/", sign_in.passkey, name="mfa_login_webauthn"),
    path(
        "company/callback/",
        sign_in.company_callback,
        {"provider_id": "company"},
        name="openid_connect_callback",
    ),
]
