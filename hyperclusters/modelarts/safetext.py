"""Makes the cloud's text safe to store, log and show: it is data and may be hostile."""

import re
from collections.abc import Iterable

# The caller's rights, encrypted for the vendor: long, and useless here.
_AUTHORIZATION_MESSAGE = re.compile(r'("encoded_authorization_message"\s*:\s*")[^"]*')
_SHORTEST_SECRET = 4  # a shorter secret would be redacted everywhere and hide nothing


def printable(text: str, limit: int) -> str:
    """The text, unprintable characters as escapes (`\\n`, `\\x00`, `\\u202e`), cut to `limit` characters.

    That covers controls, NUL and lone surrogates, which PostgreSQL refuses, and direction overrides, which
    would let an answer rewrite the line that it is shown in.
    """
    text = text[:limit]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:limit]


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, as they are or as JSON may escape them, and the encoded message."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***").replace(secret.replace("/", "\\/"), "***")
    return _AUTHORIZATION_MESSAGE.sub(r"\1***", text)
