"""Who may try a password, and how often: counted by account and network, and by network.

A stranger who guesses can lock an account only for the network that they guess from; and where they share it, a browser
in which its owner has signed in before is counted by itself. So nobody is locked out by somebody else for good.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.models import User
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.denials import network_of

from .models import Attempt

WINDOW = timedelta(minutes=5)
FOR_AN_ACCOUNT = 5  # attempts within the window, from one network or one browser
FOR_A_NETWORK = 30
SALT = "hyperclusters.accounts.device"
DEVICE_AGE = 180 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt, as it was counted."""

    rows: list[Attempt]

    def rollback(self) -> None:
        """The password was right: it was no guess."""
        Attempt.objects.filter(pk__in=[row.pk for row in self.rows]).delete()


def count(request: HttpRequest, username: str) -> AttemptRecord | None:
    """Counts one attempt, before the password is looked at; None if there were too many, and then it is not counted.

    Its rows are committed before they are counted, so that of any number at once no more than allowed go through.
    Unknown names count alike.
    """
    name, network = ascii_lower(username.strip()), network_of(request_context.current().ip)
    device = _device_of(request, name)
    limits = {f"{name} from {network}": FOR_AN_ACCOUNT, f"from {network}": FOR_A_NETWORK}
    if device:
        limits = {f"{name} by {device}": FOR_AN_ACCOUNT}
    keys = {hashlib.sha256(key.encode(errors="replace")).hexdigest(): most for key, most in limits.items()}
    counted = AttemptRecord(Attempt.objects.bulk_create([Attempt(key=key) for key in keys]))
    recent = Attempt.objects.filter(clock.within("at", WINDOW))
    if any(recent.filter(key=key).count() > most for key, most in keys.items()):
        counted.rollback()
        return None
    return counted


def audit_username(username: str) -> str:
    """Whose account an attempt was for, as the audit keeps it.

    A name that nobody has may be a password in the wrong field. Of it only a keyed mark is kept, by which attempts with
    the same name are found together.
    """
    typed = username.strip()
    people = User.objects.by_username(typed) if typed.isprintable() else User.objects.none()
    name = people.values_list("username", flat=True).first()
    return (
        name
        or "unknown:" + salted_hmac("hyperclusters.accounts.attempt", ascii_lower(typed)).hexdigest()[:12]
    )


def forget_old() -> None:
    """Drop what counts no more."""
    Attempt.objects.exclude(clock.within("at", WINDOW)).delete()


def remember_device(response: HttpResponse, person: User) -> None:
    """This browser has proved to be this person's: from now on it is counted by itself."""
    value = signing.dumps([ascii_lower(person.username), secrets.token_urlsafe(9)], salt=SALT)
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        value,
        max_age=DEVICE_AGE,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def device_owner(request: HttpRequest) -> str:
    """The user name, in small ASCII letters, of who last signed in in this browser; empty if nobody is known to have."""
    return _device(request)[0]


def _device_of(request: HttpRequest, name: str) -> str:
    """The ID of a browser in which the person of this name has signed in before; else empty."""
    owner, device = _device(request)
    return device if owner == name else ""


def _device(request: HttpRequest) -> tuple[str, str]:
    """Whose browser this is, and its ID."""
    try:
        owner, device = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=DEVICE_AGE
        )
    except (signing.BadSignature, ValueError):
        return "", ""
    return str(owner), str(device)
