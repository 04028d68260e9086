"""Second factors: authenticator apps, passkeys, recovery codes. Each change is one audit event.

The cryptography is allauth's. Its views send their signals after the commit, so a change could be stored and its
event lost; here both commit together.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, validate_totp_code
from allauth.mfa.webauthn.internal import auth as webauthn
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import FACTORS
from .sessions import end_sessions

CODE_LIVES = 30 * (2 * settings.MFA_TOTP_TOLERANCE + 1)  # seconds in which one code would be accepted
KINDS = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery codes"}

new_secret = generate_totp_secret


def has_factor(person: User) -> bool:
    """Whether this person has an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user=person, type__in=FACTORS).exists())


def has_passkey(person: User) -> bool:
    """Whether this person has a passkey."""
    return bool(Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN).exists())


def unused_codes(person: User) -> int:
    """The number of recovery codes that this person has left."""
    codes = Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(codes.wrap().get_unused_codes()) if codes else 0


def require_right_clock() -> None:
    """Raise ValidationError if this machine's clock, which allauth and the cache use, is too wrong for one-time
    codes."""
    if clock.is_wrong():
        raise ValidationError(
            _(
                "The clock of this server is wrong, so it cannot check codes. Use a passkey or a recovery code."
            )
        )


def is_first_use(person: User, code: str) -> bool:
    """Whether this one-time code was not used before. allauth forgets it before the code itself expires."""
    normal = "".join(character for character in code if character.isdigit())
    return cache.add(f"one-time-code:{person.pk}:{normal}", 1, timeout=CODE_LIVES)


def add_authenticator_app(*, person: User, secret: str, code: str) -> list[str]:
    """Add the app that shows this code for this secret; also recovery codes, with the first factor.

    Raises ValidationError if the code is wrong or the person has an app already.
    """
    require_right_clock()
    if not validate_totp_code(secret, code) or not is_first_use(person, code):
        raise get_adapter().validation_error("incorrect_code")
    with transaction.atomic():
        _lock(person)
        if Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).exists():
            raise get_adapter().validation_error("has_app")
        return _record_addition(person, TOTP.activate(person, secret).instance)


def passkey_options(person: User) -> dict[str, Any]:
    """What the browser needs to create a passkey; stores the challenge in the session."""
    options: dict[str, Any] = webauthn.begin_registration(person, passwordless=True)
    return options


def add_passkey(*, person: User, name: str, credential: dict[str, Any]) -> list[str]:
    """Add the passkey that the browser created; also recovery codes, with the first factor. Raises ValidationError."""
    webauthn.parse_registration_response(credential)
    if not webauthn.complete_registration(credential).is_user_verified():
        raise get_adapter().validation_error("incorrect_code")
    with transaction.atomic():
        _lock(person)
        return _record_addition(person, webauthn.WebAuthn.add(person, name, credential).instance)


def remove_factor(*, person: User, pk: int) -> None:
    """Remove one's own app or passkey; recovery codes go with the last. Raises Authenticator.DoesNotExist."""
    with transaction.atomic():
        _lock(person)
        factor = Authenticator.objects.get(pk=pk, user=person, type__in=FACTORS)
        name = str(factor)
        factor.delete()
        if not has_factor(person):
            Authenticator.objects.filter(user=person).delete()
        _record(EventType.FACTOR_REMOVED, person, factor, name)


def remove_all(*, person: User) -> int:
    """Remove all factors of a person who lost theirs, end their sessions, and return the number of factors.

    Only for a command on the server: nobody may do this on a page, not even to themselves.
    """
    with transaction.atomic():
        _lock(person)
        factors = Authenticator.objects.filter(user=person)
        kinds = sorted(KINDS[factor.type] for factor in factors)
        factors.delete()
        end_sessions(person)
        record(EventType.FACTOR_REMOVED, Outcome.DONE, on=person, before={"kinds": kinds})
    return len(kinds)


def new_recovery_codes(*, person: User) -> list[str]:
    """Ten new codes; the old ones end. Raises ValidationError without a factor that they could replace."""
    with transaction.atomic():
        _lock(person)
        if not has_factor(person):
            raise get_adapter().validation_error("cannot_generate_recovery_codes")
        Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).delete()
        codes = RecoveryCodes.activate(person)
        _record(EventType.RECOVERY_CODES_MADE, person, codes.instance, "")
        return list(codes.get_unused_codes())


def seal(text: str) -> str:
    """Encrypt a factor's secret with the newest of CREDENTIAL_KEYS."""
    return _fernet().encrypt(text.encode()).decode()


def unseal(text: str) -> str:
    """Decrypt. Raises ValidationError if no key opens it."""
    try:
        return _fernet().decrypt(text.encode()).decode()
    except InvalidToken:
        raise ValidationError("No key of CREDENTIAL_KEYS opens this factor.") from None


def reseal_all() -> int:
    """Encrypt every factor's secret with the newest key, and return how many; can be interrupted and run again."""
    count = 0
    for pk in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).values_list("pk", flat=True):
        with transaction.atomic():
            factor = Authenticator.objects.select_for_update().get(pk=pk)
            for name in {"secret", "seed"} & factor.data.keys():
                factor.data[name] = seal(unseal(factor.data[name]))
            factor.save(update_fields=["data"])
        count += 1
    return count


def _record_addition(person: User, factor: Authenticator) -> list[str]:
    """Record it. The first factor brings recovery codes, which have no event of their own."""
    codes = Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES)
    first = not codes.exists()
    new_codes: list[str] = RecoveryCodes.activate(person).get_unused_codes() if first else []
    _record(EventType.FACTOR_ADDED, person, factor, str(factor), recovery_codes=len(new_codes))
    return new_codes


def _record(action: EventType, person: User, factor: Authenticator, name: str, **more: Any) -> None:
    facts = {"kind": KINDS[factor.type]} | ({"name": name} if factor.type == "webauthn" else {}) | more
    record(action, Outcome.DONE, on=person, by=person, after=facts)


def _lock(person: User) -> None:
    User.objects.select_for_update().get(pk=person.pk)


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
