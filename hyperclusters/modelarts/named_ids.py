"""Finds the IDs that an answer names, readable or not: what may exist is followed up."""

import json
import re
import zlib
from contextlib import suppress

from hyperclusters.modelarts import grammar

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


def named_ids(body: bytes, location: str = "", *, in_words: bool = True) -> tuple[str, ...]:
    """The usable IDs in an answer's body or `Location`, UUIDs in lower case, in order, at most 20.

    Anywhere in the body: one that is cut, wrapped, packed, contradictory or not JSON can still name a cluster.
    `in_words`: IDs that are no UUIDs count, and where no UUID is called an ID, every UUID of the body but those of subnets may be one.
    """
    text = _unpack(body).decode(errors="replace").replace("\0", "")  # UTF-16 is ASCII with a NUL between
    with suppress(ValueError, RecursionError):
        text += json.dumps(json.loads(text), ensure_ascii=False)  # without escapes
    is_usable = grammar.is_safe_id if in_words else grammar.is_cluster_id
    ids = [value for pair in _NAMED_ID.findall(text) if is_usable(value := "".join(pair).strip())]
    ids += _ANY_UUID.findall(location)
    if in_words and not any(map(_ANY_UUID.fullmatch, ids)):
        ids += _ANY_UUID.findall(_SUBNET_ID.sub("", text))
    return tuple(dict.fromkeys(map(grammar.canonical_id, ids)))[:_MOST_IDS]


def _unpack(body: bytes) -> bytes:
    """What gzip or deflate packed, up to a limit; other bodies as they are."""
    try:
        return zlib.decompressobj(wbits=47).decompress(body, _UNPACKED_LIMIT)
    except zlib.error:
        return body
