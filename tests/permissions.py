"""What the views declare by `@access`: as a table for the tests, and as docs/permissions.md (`make permissions`)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hyperclusters.access.models import Role
from hyperclusters.access.permissions import POLICY, Permission, roles_for
from hyperclusters.web.checks import routes
from hyperclusters.web.shared.decorators import VISIBLE, Rule, access

PAGE = Path(__file__).resolve().parent.parent / "docs/permissions.md"
INTRODUCTION = """\
# Permissions

`make permissions` writes this page from `access/permissions.py` and from the `@access` of each view; a test compares it. [security.md](security.md) says what holds beside it.

## Who has a permission

"""
ROUTES = """
## What each route needs

Without what stands under 404 the object looks absent; without what stands under 403 the act is denied. HEAD is answered as GET, but not by the API. The JSON API (`api:…`) is for tokens alone: a token does what its owner may at that moment, within its scopes and, if it is bound to one team, in that team. An act that only takes POST leads a GET to its page.

"""


class Entry(NamedTuple):
    """One method of one route."""

    route: str
    method: str  # get, post or delete
    rule: Rule
    access: access


def table() -> tuple[Entry, ...]:
    """Every method of every route, in the order of the URLconf."""
    return tuple(
        Entry(route, method, rule, declared)
        for route, pattern in routes()
        if isinstance(declared := getattr(pattern.callback, "access", None), access)
        for method, rule in (("get", declared.get), ("post", declared.post), ("delete", declared.delete))
        if rule
    )


def write() -> None:
    """Write docs/permissions.md."""
    PAGE.write_text(markdown())


def markdown() -> str:
    """The text of docs/permissions.md."""
    head = ["permission", "allows to", *Role.values]
    rows = [[permission.name, permission.value, *_marks(permission)] for permission in Permission]
    needs = [
        [f"`{e.route}`", e.method.upper(), _who(e), _visible(e.rule), _needs(e.rule), _besides(e)]
        for e in table()
    ]
    return (
        INTRODUCTION
        + _table(head, rows)
        + ROUTES
        + _table(["route", "method", "who", "404", "403", "besides"], needs)
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _marks(permission: Permission) -> list[str]:
    allowed = {*roles_for(permission), *POLICY[permission].site}
    return ["yes" if role in allowed else "" for role in Role]


def _who(entry: Entry) -> str:
    if entry.rule.is_public:
        return "everyone"
    return (
        f"tokens with `{entry.rule.scope}`"
        if entry.rule.scope
        else ("every token" if entry.access.is_api else "signed-in people")
    )


def _visible(rule: Rule) -> str:
    if rule.is_own:
        return "one's own"
    if rule.kind is None:
        return ""
    whose = "" if rule.kind == "team" else f"{rule.kind}'s "
    return f"{VISIBLE[rule.kind].name} in the {whose}team"


def _needs(rule: Rule) -> str:
    if rule.needs is None:
        return ""
    text = f"{rule.needs.name} in {'any' if rule.is_anywhere else 'its'} team"
    return f"{text}, or {rule.or_anywhere.name}" if rule.or_anywhere else text


def _besides(entry: Entry) -> str:
    recent = "recent sign-in" if entry.access.recent else ""
    return "; ".join(filter(None, [recent, entry.access.note]))
