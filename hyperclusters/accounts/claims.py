"""Reads what the company's provider says about a person, so that nothing it sends can do harm."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from hyperclusters.access.identifiers import clean_name, validate_address, visible_name

NAME_LENGTH = 150
ADDRESS_LENGTH = 254
SUBJECT_LENGTH = 255  # OpenID Connect Core, section 2
JSON_WORDS = {"null", "true", "false"}  # a text with one of these names no group


class UnusableClaims(Exception):
    """The provider did not say who this is."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that a sign-in states. `names` is None if it does not state them, and `problem` says why."""

    names: frozenset[str] | None
    problem: str = ""


NOT_STATED = Groups(None)


@dataclass(frozen=True, slots=True)
class Claims:
    """What is used of the ID token and of userinfo. `address` is empty unless the provider has verified it.

    `unverified_address` is an address that the provider names as not verified, `unusable_address` the start of one
    that it has verified and that is not taken here.
    """

    subject: str
    username: str
    address: str
    unverified_address: str
    unusable_address: str
    full_name: str
    groups: Groups

    @classmethod
    def read(cls, *, id_token: dict[str, Any], userinfo: dict[str, Any]) -> Claims:
        """Userinfo takes precedence over the ID token, but groups that either cannot state count as not stated.

        Raises UnusableClaims if there is no subject.
        """
        sources = [userinfo, id_token]
        subject = id_token.get("sub")
        if not isinstance(subject, str) or not _is_subject(subject):
            raise UnusableClaims("its subject is no text of 1 to 255 printable characters")
        stated_address, is_verified = _address(sources)
        is_usable = _is_usable(stated_address)
        address = stated_address if is_verified and is_usable else ""
        full_name = visible_name(_first_text(sources, "name"), NAME_LENGTH)
        try:
            full_name = clean_name(full_name)
        except ValidationError:
            full_name = ""
        group_answers = [_groups(source) for source in sources]
        return cls(
            subject=subject,
            username=_username(
                _first_text(sources, "preferred_username").partition("@")[0],
                address.partition("@")[0],
                full_name,
            ),
            address=address,
            unverified_address=stated_address if is_usable and not is_verified else "",
            unusable_address=stated_address[:ADDRESS_LENGTH] if is_verified and not is_usable else "",
            full_name=full_name,
            groups=next(
                (each for each in group_answers if each.problem),
                next((each for each in group_answers if each.names is not None), NOT_STATED),
            ),
        )


def _is_subject(text: str) -> bool:
    return 0 < len(text) <= SUBJECT_LENGTH and text.isprintable()


def _first_text(sources: list[dict[str, Any]], name: str) -> str:
    return next((source[name] for source in sources if isinstance(source.get(name), str)), "")


def _address(sources: list[dict[str, Any]]) -> tuple[str, bool]:
    """The address, and whether it is verified: stated for this address in the same answer, and contradicted by none."""
    address = _first_text(sources, "email")
    values = [source.get("email_verified") for source in sources if source.get("email") == address]
    values = [each for each in values if each is not None]
    return address, bool(values) and all(each is True for each in values)


def _is_usable(address: str) -> bool:
    """Whether it is an address that can be stored and compared here."""
    try:
        validate_address(address)
    except ValidationError:
        return False
    return len(address) <= ADDRESS_LENGTH


def _groups(claims: dict[str, Any]) -> Groups:
    """The groups in these claims, in any shape with a single meaning."""
    value = _at_path(claims, settings.OIDC_GROUPS_CLAIM)
    if _is_overage(claims):
        return Groups(None, "the person is in too many groups for the provider to list")
    if value is None:
        return NOT_STATED
    names = _group_names(value)
    if names is None:
        return Groups(None, f"the claim {settings.OIDC_GROUPS_CLAIM} has a shape that cannot be read")
    return Groups(names)


def _is_overage(claims: dict[str, Any]) -> bool:
    """Whether the provider says that the groups are elsewhere; an unreadable mark counts as such."""
    name = settings.OIDC_GROUPS_CLAIM
    if claims.get("hasgroups") not in (None, False, "false") or any(
        each.startswith(f"{name}:src") for each in claims
    ):
        return True
    elsewhere = claims.get("_claim_names")
    if not isinstance(elsewhere, dict):
        return elsewhere is not None
    return name in elsewhere or name.partition(".")[0] in elsewhere


def _at_path(claims: dict[str, Any], name: str) -> Any:
    """The claim with this name, else the one along a path, such as `realm_access.roles`."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _group_names(value: Any) -> frozenset[str] | None:
    """A list of texts, numbers or `{"name": …}`; an object of objects, by its keys; a text. None: something else."""
    if isinstance(value, str):
        return _group_names_of_text(value.strip())
    if isinstance(value, dict):
        is_object_of_objects = value and all(isinstance(each, dict) for each in value.values())
        return _readable(list(value)) if is_object_of_objects and "error" not in value else None
    if not isinstance(value, list):
        return None
    return _readable([each.get("name") if isinstance(each, dict) else each for each in value])


def _readable(names: list[Any]) -> frozenset[str] | None:
    """The names as texts; None if one is neither text nor number, is blank, or has an invisible character."""
    if any(isinstance(name, bool) or not isinstance(name, str | int) for name in names):
        return None
    texts = frozenset(map(str, names))
    return texts if all(text.strip() and text.isprintable() for text in texts) else None


def _group_names_of_text(text: str) -> frozenset[str] | None:
    """One group that OIDC_GROUP_ROLES names as a whole; a JSON list; else separated by commas; else by spaces. None for
    an address, where a provider says that the groups can be asked for."""
    if any(group == text for group, _, _ in settings.OIDC_GROUP_ROLES):
        return frozenset({text})
    if "://" in text and not any("://" in group for group, _, _ in settings.OIDC_GROUP_ROLES):
        return None
    if text in JSON_WORDS or text.startswith(("[", "{", '"')):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return _group_names(value) if isinstance(value, list) else None
    parts = [part.strip() for part in (text.split(",") if "," in text else text.split())]
    return _readable([part for part in parts if part]) or None


def _username(*proposals: str) -> str:
    """A user name from the first proposal that ASCII can express without losing a letter; else `person`."""
    for proposal in proposals:
        plain = "".join(
            each for each in unicodedata.normalize("NFKD", proposal) if not unicodedata.combining(each)
        )
        if any(each.isalpha() and not each.isascii() for each in plain):
            continue
        name = re.sub(r"[^A-Za-z0-9_.+-]", "-", plain)[:56].strip("-")
        if any(each.isalnum() for each in name):
            return name
    return "person"
