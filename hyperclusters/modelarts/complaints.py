"""Reads error bodies in any encoding and shape, and the IDs that an answer names, readable or not.

Nothing here raises, and everything is safe to store, log and show: the cloud's text is data and may be hostile.
"""

import codecs
import html
import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hyperclusters.modelarts import grammar
from hyperclusters.modelarts.codes import VENDOR_CODE, meaning_of

MESSAGE_LIMIT = 500
CODE_LIMIT = 64
REQUEST_ID_LIMIT = 128
_LONGEST_COMPLAINT = 64 * 1024  # bytes of an error body that are searched for a code
_DEEPEST = 4  # levels of nesting below the outermost object

CODE_KEYS = ("error_code", "errorCode", "code")
MESSAGE_KEYS = ("error_msg", "errorMsg", "message", "error_message")
_OTHER_MESSAGE_KEYS = ("msg", "detail", "details", "description", "reason", "title", "error", "errors")
_REQUEST_ID_KEYS = ("request_id", "requestId")
_SECRET_NAME = re.compile(r"token|secret|passw|key|auth|sign|cookie|credential", re.IGNORECASE)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_MARKUP_LIMIT = 4096  # characters; the pattern's time grows with the square of this
# The caller's rights, encrypted for the vendor: long, and useless here.
_AUTHORIZATION_MESSAGE = re.compile(r'("encoded_authorization_message"\s*:\s*")[^"]*')
_SHORTEST_SECRET = 4  # a shorter secret would be redacted everywhere and hide nothing
_MOST_IDS = 20  # kept of one answer; each may be asked for
_UNPACKED_LIMIT = 65_536  # bytes of a packed answer that are searched
_NAMED_ID = re.compile(
    r'"(?:(?:(?:hyper|hps)[-_]?)?cluster[-_]?)?id"\s*:\s*(?:"([^"]*)"|(\d+)(?![\d.e]))',
    re.ASCII | re.IGNORECASE,
)
_ANY_UUID = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.ASCII | re.IGNORECASE
)
_SUBNET_ID = re.compile(r'"hyper_cluster_subnet_id"\s*:\s*"[^"]*"')


@dataclass(frozen=True, slots=True)
class Complaint:
    """The content of an error body, safe to store; each part is empty if the body has none.

    `words`: a body without a message in a known place, as text.
    """

    code: str = ""
    message: str = ""
    request_id: str = ""
    words: str = ""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that keeps duplicate keys."""


def decode(body: bytes) -> str:
    """The text of a body: UTF-8, UTF-16, UTF-32 or GB 18030 (GBK). Other bytes become escapes.

    A last character that was cut is left out.
    """
    for charset in (json.detect_encoding(body), "utf-8", "gb18030"):
        try:
            return codecs.getincrementaldecoder(charset)().decode(body)
        except UnicodeError:
            continue
    return body.decode(errors="backslashreplace")


def complaint(body: bytes, secrets: Iterable[str]) -> Complaint:
    """The complaint of an error body in any encoding and shape."""
    secrets, text = tuple(secrets), decode(body[:_LONGEST_COMPLAINT])
    try:
        data = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return Complaint(words=_safe(_plain(redact(text, secrets)), MESSAGE_LIMIT, secrets))
    levels = list(_levels(data))
    message = _first(levels, MESSAGE_KEYS) or _first(levels, _OTHER_MESSAGE_KEYS)
    return Complaint(
        code=_safe(_code(levels), CODE_LIMIT, secrets),
        message=_safe("; ".join(message), MESSAGE_LIMIT, secrets),
        request_id=_safe("".join(_first(levels, _REQUEST_ID_KEYS)[:1]), REQUEST_ID_LIMIT, secrets),
        words=_safe("; ".join(_leaves(data)), MESSAGE_LIMIT, secrets),
    )


def _levels(data: Any) -> Iterator[list[_Pairs]]:
    """The objects of a JSON value, level by level. An array adds no level."""
    level = list(_objects(data))
    for _ in range(_DEEPEST + 1):
        yield level
        level = [item for pairs in level for _key, value in pairs for item in _objects(value)]


def _objects(value: Any) -> Iterator[_Pairs]:
    queue = deque([value])
    while queue:
        item = queue.popleft()
        if isinstance(item, _Pairs):
            yield item
        elif isinstance(item, list):
            queue.extend(item)


def _code(levels: list[list[_Pairs]]) -> str:
    """The outermost code that names a service, else a known number, else any code.

    Empty if two codes of one level differ: choosing one is a guess, and a code can be proof.
    """
    codes_by_level = [
        {text for pairs in level for text in _texts_under(pairs, CODE_KEYS)} for level in levels
    ]
    fits: Callable[[str], object]
    for fits, among in (
        (VENDOR_CODE.fullmatch, codes_by_level),
        (meaning_of, codes_by_level[:2]),
        (bool, codes_by_level),
    ):
        for codes in among:
            if matches := [text for text in codes if fits(text)]:
                return matches[0] if len(matches) == 1 else ""
    return ""


def _first(levels: list[list[_Pairs]], keys: tuple[str, ...]) -> list[str]:
    """The value of one of these keys at the outermost level that has one."""
    for level in levels:
        if texts := [text for pairs in level for text in _texts_under(pairs, keys)]:
            return list(dict.fromkeys(texts))
    return []


def _texts_under(pairs: _Pairs, keys: tuple[str, ...]) -> list[str]:
    """The texts of one object under the first of these keys that has any."""
    for name in keys:
        if names := [text for key, value in pairs if key == name for text in _texts(value)]:
            return names
    return []


def _texts(value: Any) -> list[str]:
    """A text or number as text; for an array, those in it."""
    if isinstance(value, list) and not isinstance(value, _Pairs):
        return [text for item in value if not isinstance(item, list) for text in _texts(item)]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return [value] if isinstance(value, str) and value else []


def _leaves(data: Any) -> list[str]:
    """Every text and number of a JSON value, with its key; values under secret keys are masked."""
    leaves: list[str] = []
    queue = deque([("", data)])
    while queue and len(leaves) < 50:
        key, value = queue.popleft()
        if isinstance(value, _Pairs):
            queue.extend(value)
        elif isinstance(value, list):
            queue.extend((key, item) for item in value)
        elif texts := _texts(value):
            text = "***" if _SECRET_NAME.search(key) else texts[0]
            leaves.append(f"{key}: {text}" if key else text)
    return leaves


def _plain(text: str) -> str:
    """Text on one line; for HTML and XML, their text."""
    if text.lstrip().startswith("<"):
        text = html.unescape(_MARKUP.sub(" ", text[:_MARKUP_LIMIT]))
    return " ".join(text[:_MARKUP_LIMIT].split())


def _safe(text: str, limit: int, secrets: tuple[str, ...]) -> str:
    return printable(redact(text, secrets), limit)


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


def named_ids(body: bytes, places: str = "", *, in_words: bool = True) -> tuple[str, ...]:
    """The usable IDs in an answer's body or the addresses in its headers, UUIDs in lower case, in order, at most 20.

    Anywhere in the body: one that is cut, wrapped, packed, contradictory or not JSON can still name a cluster.
    `in_words`: IDs that are no UUIDs count, and where no UUID is called an ID, every UUID of the body but those of subnets may be one.
    """
    text = _unpack(body).decode(errors="replace").replace("\0", "")  # UTF-16 is ASCII with a NUL between
    with suppress(ValueError, RecursionError):
        text += json.dumps(json.loads(text), ensure_ascii=False)  # without escapes
    is_usable = grammar.is_safe_id if in_words else grammar.is_cluster_id
    ids = [value for pair in _NAMED_ID.findall(text) if is_usable(value := "".join(pair).strip())]
    ids += _ANY_UUID.findall(places)
    if in_words and not any(map(_ANY_UUID.fullmatch, ids)):
        ids += _ANY_UUID.findall(_SUBNET_ID.sub("", text))
    return tuple(dict.fromkeys(map(grammar.canonical_id, ids)))[:_MOST_IDS]


def _unpack(body: bytes) -> bytes:
    """What gzip or deflate packed, up to a limit; other bodies as they are."""
    try:
        return zlib.decompressobj(wbits=47).decompress(body, _UNPACKED_LIMIT)
    except zlib.error:
        return body
