"""Secrets at rest: encrypted with CREDENTIAL_KEYS, and bound to their row.

Project keys (`clusters`) and the addresses of chats (`notifications`) use it; neither package may import the other.
"""

import hashlib
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UnreadableSecret(Exception):
    """No key of CREDENTIAL_KEYS opens it, or it was sealed for another row. The text says which."""


def seal(fields: dict[str, Any], *, bound_to: str) -> str:
    """Encrypt with the newest key. `bound_to` names the row: a copy in another row will not open."""
    return _fernet().encrypt(json.dumps({"bound_to": bound_to} | fields).encode()).decode()


def unseal(text: str, *, bound_to: str) -> dict[str, Any]:
    """Decrypt. Raises UnreadableSecret."""
    try:
        fields: dict[str, Any] = json.loads(_fernet().decrypt(text.encode()))
    except InvalidToken:
        raise UnreadableSecret("No key of CREDENTIAL_KEYS opens it.") from None
    if fields.pop("bound_to") != bound_to:
        raise UnreadableSecret("It was sealed for another row.")
    return fields


def key_ids() -> list[str]:
    """The IDs of the keys of CREDENTIAL_KEYS in rows and messages, newest first. An ID does not reveal its key."""
    return [hashlib.sha256(key.encode()).hexdigest()[:12] for key in settings.CREDENTIAL_KEYS]


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
