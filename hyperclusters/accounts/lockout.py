"""Who may try a password, and how often: counted by account and network, and by network.

A stranger who guesses can lock an account only for the network that they guess from; and where they share it, a browser
in which its owner has signed in before is counted by itself. So nobody is locked out by somebody else for good.
"""

from __future__ import annotations

import secrets

from allauth.core.internal import ratelimit
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from hyperclusters.access.models import User

SALT = "hyperclusters.accounts.device"
DEVICE_AGE = 180 * 86_400  # seconds
OF_A_DEVICE = {"login_failed": "5/5m/key"}


def attempt(request: HttpRequest, username: str) -> ratelimit.RateLimitUsage | None:
    """Counts one attempt, before the password is looked at; None if there were too many. Unknown names count alike."""
    name = username.strip().casefold()
    device = _device_of(request, name)
    return ratelimit.consume(
        request,
        app="allauth.account",
        action="login_failed",
        key=f"device {device}" if device else f"{name} from {ratelimit.get_ip(request)}",
        config=OF_A_DEVICE if device else None,
    )


def remember_device(response: HttpResponse, person: User) -> None:
    """This browser has proved to be this person's: from now on it is counted by itself."""
    value = signing.dumps([person.username.casefold(), secrets.token_urlsafe(9)], salt=SALT)
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        value,
        max_age=DEVICE_AGE,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _device_of(request: HttpRequest, name: str) -> str:
    """The ID of a browser in which the person of this name has signed in before; else empty."""
    try:
        whose, device = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=DEVICE_AGE
        )
    except (signing.BadSignature, ValueError):
        return ""
    return str(device) if whose == name else ""
