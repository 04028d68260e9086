"""The text of an API token: `hc_`, an ID, a secret and a checksum.

Secret scanners find a leaked one by `hc_[0-9A-Za-z]{58}`, and the checksum tells it from other text. The demo's settings
read this module before any app is there, so it imports no model.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_letters
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 40, 6
PATTERN = re.compile(
    rf"hc_([0-9A-Za-z]{{{ID_LENGTH}}})([0-9A-Za-z]{{{SECRET_LENGTH}}})([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)


def generate_token() -> str:
    """A new random token: its secret has 238 bits."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH + SECRET_LENGTH))
    return f"hc_{body}{_checksum(body)}"


def token_id(text: str) -> str:
    """The ID in a token; empty if this text is no token."""
    match = PATTERN.fullmatch(text)
    return match[1] if match and match[3] == _checksum(match[1] + match[2]) else ""


def _checksum(body: str) -> str:
    """CRC-32 in base 62. It guards against typing errors; the secret is proved by its stored digest."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
