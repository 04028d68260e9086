"""Limits attempts at passwords, counted by account and network, and by network; and rejected API tokens, by network.

Somebody who guesses can lock an account only for their own network. A browser in which the account's owner has signed
in before is counted by itself, also in that network. So nobody can lock somebody else out permanently. Counts are
rows, shared by all processes.
"""

from __future__ import annotations

import hashlib
import math
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
    """One counted attempt."""

    rows: list[Attempt]

    def rollback(self) -> None:
        """The password was right: it was not a guess."""
        Attempt.objects.filter(pk__in=[row.pk for row in self.rows]).delete()


def count(request: HttpRequest, username: str) -> AttemptRecord | None:
    """Count one attempt before the password is checked; None if there were too many, and then it is not counted.

    Its rows are committed before they are counted, so that no more than allowed of any number at once pass. Unknown
    names count alike.
    """
    name, network = ascii_lower(username.strip()), network_of(request_context.current().ip)
    device = _device_of(request, name)
    limits = {f"{name} from {network}": FOR_AN_ACCOUNT, f"from {network}": FOR_A_NETWORK}
    if device:
        limits = {f"{name} by {device}": FOR_AN_ACCOUNT}
    keys = {_digest(key): most for key, most in limits.items()}
    attempts = AttemptRecord(Attempt.objects.bulk_create([Attempt(key=key) for key in keys]))
    recent = Attempt.objects.filter(clock.within("at", WINDOW))
    if any(recent.filter(key=key).count() > most for key, most in keys.items()):
        attempts.rollback()
        return None
    return attempts


def count_rejected_token(ip: str) -> int:
    """Count an API token that was rejected. Seconds until this network's next one is counted; 0 if this one was.

    One too many is only looked up, so that guesses write nothing. Those of the same moment may all be counted.
    """
    key = _digest(f"token from {network_of(ip)}")
    recent = Attempt.objects.filter(clock.within("at", WINDOW), key=key)
    times = list(recent.order_by("-at").values_list("at", flat=True)[:FOR_A_NETWORK])
    if len(times) == FOR_A_NETWORK:
        return max(math.ceil((times[-1] + WINDOW - clock.now()).total_seconds()), 1)
    forget_old()
    Attempt.objects.create(key=key)
    return 0


def audit_username(username: str) -> str:
    """The account of an attempt, as the audit stores it.

    A name that nobody has may be a password in the wrong field. Only a keyed digest of it is stored, which attempts
    with the same name share.
    """
    text = username.strip()
    people = User.objects.by_username(text) if text.isprintable() else User.objects.none()
    name = people.values_list("username", flat=True).first()
    return (
        name or "unknown:" + salted_hmac("hyperclusters.accounts.attempt", ascii_lower(text)).hexdigest()[:12]
    )


def forget_old() -> None:
    """Delete attempts that no longer count."""
    Attempt.objects.exclude(clock.within("at", WINDOW)).delete()


def remember_device(response: HttpResponse, person: User) -> None:
    """Count this browser by itself from now on: it has proved to be this person's."""
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
    """The user name, in small ASCII letters, of the person who last signed in in this browser; empty if unknown."""
    return _device(request)[0]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _device_of(request: HttpRequest, name: str) -> str:
    """The ID of a browser in which the person with this name has signed in before; else empty."""
    owner, device = _device(request)
    return device if owner == name else ""


def _device(request: HttpRequest) -> tuple[str, str]:
    """The owner of this browser, and its ID."""
    try:
        owner, device = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=DEVICE_AGE
        )
    except (signing.BadSignature, ValueError):
        return "", ""
    return str(owner), str(device)
