"""Who may try a password, and how often: counted by account and network, and by network.

A stranger who guesses can lock an account only for the network that they guess from; and where they share it, a browser
in which its owner has signed in before is counted by itself. So nobody is locked out by somebody else for good.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.models import User
from hyperclusters.audit import clock, origin

from .models import Attempt

WINDOW = timedelta(minutes=5)
FOR_AN_ACCOUNT = 5  # attempts within the window, from one network or one browser
FOR_A_NETWORK = 30
SALT = "hyperclusters.accounts.device"
DEVICE_AGE = 180 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Counted:
    """One attempt, as it was counted."""

    rows: list[Attempt]

    def rollback(self) -> None:
        """The password was right: it was no guess."""
        Attempt.objects.filter(pk__in=[row.pk for row in self.rows]).delete()


def count(request: HttpRequest, username: str) -> Counted | None:
    """Counts one attempt, before the password is looked at; None if there were too many, and then it is not counted.

    Its rows are committed before they are counted, so that of any number at once no more than allowed go through.
    Unknown names count alike.
    """
    name, network = ascii_lower(username.strip()), _network(origin.current().ip)
    device = _device_of(request, name)
    limits = {f"{name} from {network}": FOR_AN_ACCOUNT, f"from {network}": FOR_A_NETWORK}
    if device:
        limits = {f"{name} by {device}": FOR_AN_ACCOUNT}
    keys = {hashlib.sha256(key.encode(errors="replace")).hexdigest(): most for key, most in limits.items()}
    counted = Counted(Attempt.objects.bulk_create([Attempt(key=key) for key in keys]))
    recent = Attempt.objects.filter(clock.within("at", WINDOW))
    if any(recent.filter(key=key).count() > most for key, most in keys.items()):
        counted.rollback()
        return None
    return counted


def attempted(username: str) -> str:
    """Whose account an attempt was for, as the audit keeps it.

    A name that nobody has may be a password in the wrong field. Of it only a keyed mark is kept, by which attempts with
    the same name are found together.
    """
    typed = username.strip()
    known = User.objects.by_username(typed) if typed.isprintable() else User.objects.none()
    name = known.values_list("username", flat=True).first()
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


def _device_of(request: HttpRequest, name: str) -> str:
    """The ID of a browser in which the person of this name has signed in before; else empty."""
    try:
        whose, device = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=DEVICE_AGE
        )
    except (signing.BadSignature, ValueError):
        return ""
    return str(device) if whose == name else ""


def _network(ip: str) -> str:
    """What one subscriber has: an IPv4 address, an IPv6 /64."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
