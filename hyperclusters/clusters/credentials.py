"""Project credentials at rest: encrypted, and bound to their row."""

import hashlib
import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from hyperclusters.modelarts import Credentials


class UnusableKey(Exception):
    """There is no key to sign with, so nothing can be sent. `cause` is a slug for the sentence that people read."""

    cause = "unreadable_credentials"

    def __init__(self, message: str, *, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause or self.cause


class UnreadableCredentials(UnusableKey):
    """No key of CREDENTIAL_KEYS opens them, or they were sealed for another project."""


def seal(credentials: Credentials, *, bound_to: str) -> str:
    """Encrypt with the newest key. `bound_to` is the project's endpoint and ID: a copy in another row will not open."""
    fields = {
        "bound_to": bound_to,
        "access_key": credentials.access_key,
        "secret_key": credentials.secret_key,
        "security_token": credentials.security_token,
    }
    return _fernet().encrypt(json.dumps(fields).encode()).decode()


def unseal(sealed: str, *, bound_to: str) -> Credentials:
    """Decrypt. Raises UnreadableCredentials."""
    try:
        fields = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken:
        raise UnreadableCredentials("No key of CREDENTIAL_KEYS opens these credentials.") from None
    if fields.pop("bound_to") != bound_to:
        raise UnreadableCredentials("These credentials were sealed for another project.")
    return Credentials(**fields)


def key_ids() -> list[str]:
    """The IDs of the keys of CREDENTIAL_KEYS in rows and messages, newest first. An ID does not reveal its key."""
    return [hashlib.sha256(key.encode()).hexdigest()[:12] for key in settings.CREDENTIAL_KEYS]


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
