"""Project credentials at rest: encrypted, and bound to their row (see `encryption`)."""

from hyperclusters import encryption
from hyperclusters.encryption import key_ids
from hyperclusters.modelarts import Credentials

__all__ = ["UnreadableCredentials", "UnusableKey", "key_ids", "seal", "unseal"]


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
        "access_key": credentials.access_key,
        "secret_key": credentials.secret_key,
        "security_token": credentials.security_token,
    }
    return encryption.seal(fields, bound_to=bound_to)


def unseal(text: str, *, bound_to: str) -> Credentials:
    """Decrypt. Raises UnreadableCredentials."""
    try:
        return Credentials(**encryption.unseal(text, bound_to=bound_to))
    except encryption.UnreadableSecret as error:
        raise UnreadableCredentials(f"The credentials cannot be read. {error}") from None
