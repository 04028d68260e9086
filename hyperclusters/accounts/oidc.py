"""OpenID Connect with the company's provider: allauth's flow, with every answer checked before it is believed.

A provider's answer is input like any other: it may be missing, endless, of another type, or about somebody else. Each
such answer ends as a ProviderError, which `CompanyAdapter.on_authentication_error` turns into a page and an event.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from urllib3.exceptions import HTTPError

from hyperclusters.audit import clock

LONGEST = 1024 * 1024  # bytes of one answer
PATIENCE = 10  # seconds in which one answer must be complete
PRINTABLE = re.compile("[!-~]+")  # ASCII without blanks
LEEWAY = 60  # seconds by which the provider's clock and ours may disagree
# Signed with a key that only the provider has: neither `none` nor a secret that both sides know.
ALGORITHMS = {
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
} | {"EdDSA"}  # fmt: skip
USED_FOR = 3600  # seconds for which a sign-in counts as used: longer than its state is good for
COMPANY = "company"  # the provider's name in allauth


class ProviderError(OAuth2Error):
    """The provider's answer is not enough to sign anybody in. The text says why, without secrets."""


class CompanyOAuth2Adapter(OpenIDConnectOAuth2Adapter):
    """allauth's adapter with checked answers, a signed ID token, and userinfo if there is an endpoint for it."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's discovery document. Raises ProviderError."""
        if not hasattr(self, "_openid_config"):
            self._openid_config = _discovery(self.get_provider().server_url)
        return self._openid_config

    def get_client(self, request: HttpRequest, app: Any) -> OAuth2Client:
        """allauth's client, without a request to the provider: allauth would send one where it catches no error."""
        callback = self.get_callback_url(request, app)
        return OAuth2Client(request, app.client_id, app.secret, "POST", "", callback, scope_delimiter=" ")

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        """Exchange the code for tokens. Raises ProviderError."""
        form = {
            "grant_type": "authorization_code",
            "code": request.GET.get("code", ""),
            "redirect_uri": client.callback_url,
            "code_verifier": pkce_code_verifier or "",
        }
        secret = {"client_id": app.client_id, "client_secret": app.secret}
        if self.basic_auth:
            return _answer("token", "POST", self.access_token_url, data=form, auth=tuple(secret.values()))
        return _answer("token", "POST", self.access_token_url, data=form | secret)

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """The access token, which is used once and never stored."""
        return SocialToken(token=_text(data, "access_token", "the token answer"))

    def complete_login(
        self, _request: HttpRequest, app: Any, token: SocialToken, *, response: dict[str, Any]
    ) -> SocialLogin:
        """The sign-in with the claims of the ID token and of userinfo, which must be about the same person."""
        id_token = self._id_token(app, _text(response, "id_token", "the token answer"))
        userinfo: dict[str, Any] = {}
        if endpoint := self.openid_config.get("userinfo_endpoint"):
            userinfo = _answer("userinfo", "GET", endpoint, bearer=token.token)
            if userinfo.get("sub") != id_token.get("sub"):
                raise ProviderError("userinfo is about another subject than the ID token")
        account = SocialAccount(provider=COMPANY, extra_data={"id_token": id_token, "userinfo": userinfo})
        return CompanyLogin(account=account, provider=self.get_provider())

    def _id_token(self, app: Any, token: str) -> dict[str, Any]:
        """The claims of an ID token that this provider signed for this dashboard. Raises ProviderError."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise ProviderError(f"the ID token is signed with {header.get('alg')!r}")
            document = _answer("keys", "GET", self.openid_config["jwks_uri"])
            keys = jwt.PyJWKSet([each for each in document["keys"] if _is_for_signatures(each)]).keys
            candidates = [each for each in keys if header.get("kid") in (None, each.key_id)]
            return _first_verified(
                token, candidates, header["alg"], app.client_id, self.openid_config["issuer"]
            )
        except (jwt.PyJWTError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
            raise ProviderError(f"the ID token does not hold: {type(error).__name__}") from error


class CompanyProvider(OpenIDConnectProvider):
    """allauth's provider with checked answers."""

    oauth2_adapter_class = CompanyOAuth2Adapter


class CompanyLogin(SocialLogin):
    """A sign-in whose person `company.link_or_create_user` finds, never allauth's table or an address."""

    def lookup(self) -> None:
        self._did_authenticate_by_email = None

    @property
    def is_existing(self) -> bool:
        return self.user is not None

    def require_first_use(self) -> None:
        """Raise ProviderError unless the ID token was made for this sign-in and has signed nobody in before.

        The browser's cookie has the sign-in's state, so only the server can know that it was used.
        """
        nonce = (self.state.get("data") or {}).get("nonce")
        if self.account.extra_data["id_token"].get("nonce") != nonce:
            raise ProviderError("the ID token was made for another sign-in")
        if not cache.add(f"company-sign-in:{nonce}", 1, timeout=USED_FOR):
            raise ProviderError("this sign-in was completed before")


def redirect_to_provider(request: HttpRequest, *, next_url: str, again: bool) -> HttpResponse:
    """Redirect to the provider; with `again` it asks for the sign-in again."""
    nonce = secrets.token_urlsafe(16)
    provider = get_adapter(request).get_provider(request, COMPANY)
    answer: HttpResponse = provider.redirect(
        request,
        AuthProcess.LOGIN,
        next_url=next_url,
        data={"nonce": nonce},
        auth_params={"nonce": nonce} | ({"prompt": "login"} if again else {}),
    )
    return answer


def back_from_provider(request: HttpRequest) -> HttpResponse:
    """The browser is back. Every failure ends in `on_authentication_error`."""
    answer: HttpResponse = OAuth2CallbackView.adapter_view(CompanyOAuth2Adapter(request, COMPANY))(request)
    return answer


def _is_for_signatures(key: Any) -> bool:
    """Whether the provider allows this key to verify signatures (RFC 7517, sections 4.2 and 4.3)."""
    if not isinstance(key, dict) or key.get("use") not in (None, "sig"):
        return False
    operations = key.get("key_ops")
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _first_verified(
    token: str, keys: list[jwt.PyJWK], algorithm: str, client_id: str, issuer: str
) -> dict[str, Any]:
    """The token's claims, by the first of these keys that signed it. Raises PyJWTError, ProviderError."""
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=client_id,
                issuer=issuer,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"],
                    # PyJWT would judge these by this machine's clock, which may be wrong.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError):  # or a key of another kind
            continue
        _require_valid_times(claims)
        # OpenID Connect Core, 3.1.3.7: a token for several applications says which of them asked for it.
        if claims.get("azp", client_id if claims["aud"] in (client_id, [client_id]) else "") != client_id:
            raise ProviderError(
                "the ID token is for several applications or another one, and azp does not name ours"
            )
        return claims
    raise ProviderError("the ID token is signed by none of the provider's keys")


def _require_valid_times(claims: dict[str, Any]) -> None:
    """Raise PyJWTError unless the token is good now, by the clock that rows are judged by; ValueError, TypeError,
    OverflowError for a time that is not a number."""
    now = clock.now().timestamp()
    if int(claims["exp"]) <= now - LEEWAY:
        raise jwt.ExpiredSignatureError
    if max(int(claims["iat"]), int(claims.get("nbf", 0))) > now + LEEWAY:
        raise jwt.ImmatureSignatureError


def _discovery(url: str) -> dict[str, Any]:
    config = _answer("discovery", "GET", url)
    issuer = _text(config, "issuer", "discovery")
    if issuer.rstrip("/") != settings.OIDC_ISSUER.partition("/.well-known/")[0]:
        raise ProviderError(f"discovery names the issuer {issuer[:200]!r}: set OIDC_ISSUER to it")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        address = _text(config, name, "discovery")
        if not (address.startswith(("https://", f"{_scheme()}://")) and _names_a_host(address)):
            raise ProviderError(f"discovery names no {_scheme()} address as its {name}")
    methods = config.get("token_endpoint_auth_methods_supported")
    if not isinstance(methods, list):
        config["token_endpoint_auth_methods_supported"] = []
    if not isinstance(config.get("userinfo_endpoint"), str):
        config["userinfo_endpoint"] = ""
    return config


def _names_a_host(address: str) -> bool:
    """Whether a browser could be sent there: printable ASCII with a host, and a port if any."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and bool(PRINTABLE.fullmatch(address))
    except ValueError:
        return False


def _scheme() -> str:
    return settings.OIDC_ISSUER.partition("://")[0]


def _text(answer: dict[str, Any], name: str, where: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderError(f"{where} holds no {name}")
    return value


def _answer(what: str, method: str, url: str, *, bearer: str = "", **more: Any) -> dict[str, Any]:
    """One answer of the provider: a JSON object, limited in size and time. Raises ProviderError."""
    deadline = time.monotonic() + PATIENCE
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    body = bytearray()
    try:
        with get_adapter().get_requests_session() as session:
            # A redirect could lead to any address, and pass it the code, the secret or the token.
            answer = session.request(method, url, headers=headers, stream=True, allow_redirects=False, **more)
            if answer.status_code != 200:
                raise ProviderError(f"{what}: the provider answered {answer.status_code}")
            while chunk := answer.raw.read1(LONGEST):
                body += chunk
                if len(body) > LONGEST or time.monotonic() > deadline:
                    raise ProviderError(f"{what}: the provider's answer is too long or too slow")
        claims = json.loads(body)
    except (OSError, HTTPError, ValueError, RecursionError) as error:
        raise ProviderError(f"{what}: {type(error).__name__}") from error
    if not isinstance(claims, dict):
        raise ProviderError(f"{what}: the provider's answer is no object")
    return claims
