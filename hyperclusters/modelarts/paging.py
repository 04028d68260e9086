"""Whether a list says that it is only a part: the API has no pages, but what says so proves nothing."""

import re
from typing import Any

# Keys as `plain` has them.
_TOTALS = {"count", "totalcount", "total"}
_PAGES = {"pagecount", "pages", "totalpage", "totalpages"}
_MORE = {
    *("continue", "hasmore", "hasnext", "more", "next", "nextcursor", "nextlink", "nextmarker"),
    *("nextoffset", "nextpage", "nextpagetoken", "nexttoken"),
    *("incomplete", "istruncated", "partial", "truncated"),
}


def has_more(data: dict[str, Any], length: int) -> bool:
    """Whether a list of this length says, in it or one level deep, that it is only a page."""
    layers = (data, *(value for value in data.values() if isinstance(value, dict)))
    return any(_leads_on(plain(key), value, length) for layer in layers for key, value in layer.items())


def plain(key: str) -> str:
    """A key, however it is spelled."""
    return re.sub("[-_]", "", key).lower()


def _leads_on(name: str, value: Any, length: int) -> bool:
    if type(value) is int and (name in _TOTALS or name in _PAGES):
        return value > (length if name in _TOTALS else 1)
    is_next_link = isinstance(value, list) and any(
        isinstance(link, dict) and link.get("rel") == "next" for link in value
    )
    return is_next_link or (name in _MORE and bool(value))
