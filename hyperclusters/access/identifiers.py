"""Compares and checks user names, e-mail addresses and other names that people type.

User names and addresses are equal if they differ only in the case of ASCII letters. Nothing else is folded: Python's
`lower()` turns the Kelvin sign into k, and `iexact` on PostgreSQL turns the dotless ı into i, so that one person
could sign in as another.
"""

from __future__ import annotations

import re
import string
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db.models import CharField, Transform
from django.utils.translation import gettext_lazy as _

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# Scripts that may be mixed, by the first word of a character's Unicode name.
_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "HANGUL", "BOPOMOFO"}
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
# Invisible, although Unicode counts them as letters, marks or symbols: joiners, fillers, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def ascii_lower(text: str) -> str:
    """The text with A to Z in lower case, every other character unchanged."""
    return text.translate(_ASCII_LOWER)


class AsciiLower(Transform):
    """`ascii_lower` in the database, as `email__ascii_lower=…` and in constraints; the same in every locale."""

    function = "LOWER"  # SQLite's own knows ASCII only
    lookup_name = "ascii_lower"

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template='LOWER(%(expressions)s COLLATE "C")', **extra)


CharField.register_lookup(AsciiLower)


def validate_address(address: str) -> None:
    """Raise ValidationError unless it is an e-mail address in ASCII, an international domain in its xn-- form."""
    if not address.isascii():
        raise ValidationError(
            _("Use ASCII letters in the e-mail address, and the xn-- form of an international domain.")
        )
    EmailValidator()(address)


def clean_name(text: str) -> str:
    """The name as it is stored: in Unicode's compatibility form (NFKC), with single spaces.

    Raises ValidationError for invisible characters, and for a word with letters of two scripts, such as a Cyrillic
    letter in a Latin word. East Asian scripts may be mixed, also with Latin. Look-alikes within one script (l and I),
    and whole words in another script, are not detected.
    """
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    if _INVISIBLE.search(name) or any(unicodedata.category(each) in _INVISIBLE_CATEGORIES for each in name):
        raise ValidationError(_("Remove the invisible characters from the name."))
    letters = "".join(each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each))
    for word in re.findall(r"[^\W\d_]+", letters):
        scripts = {unicodedata.name(letter, "?").split()[0] for letter in word}
        if len(scripts - _EAST_ASIAN) > 1 or (scripts & _EAST_ASIAN and scripts - _EAST_ASIAN - {"LATIN"}):
            raise ValidationError(
                _("Write each word in one script: “%(word)s” mixes letters that look alike."),
                params={"word": word},
            )
    return name


def name_key(name: str) -> str:
    """The same for two names that differ only in case or in Unicode's form."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def visible_name(text: str, limit: int) -> str:
    """A name from another system, without characters that are invisible or cannot be stored, cut to this length."""
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    visible = (
        each for each in _INVISIBLE.sub("", name) if unicodedata.category(each) not in _INVISIBLE_CATEGORIES
    )
    return "".join(visible)[:limit].strip()
