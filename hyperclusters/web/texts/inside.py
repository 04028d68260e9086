"""What is inside a cluster, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hyperclusters.clusters.inside import Row
from hyperclusters.modelarts import OccupantKind

MOST_NAMES = 5  # in one sentence
# The vendor's words for the state of a supernode: ours, and the kind of the icon. Others are shown as they come.
STATUSES = {
    "PROVISIONING": (gettext_lazy("Being created"), "wait"),
    "ACTIVE": (gettext_lazy("Active"), "good"),
    "ERROR": (gettext_lazy("Error"), "bad"),
    "REIMAGING": (gettext_lazy("Being reinstalled"), "wait"),
    "TERMINATING": (gettext_lazy("Being removed"), "wait"),
    "TERMINATED": (gettext_lazy("Removed"), "idle"),
}


@dataclass(frozen=True, slots=True)
class OccupantText:
    """One supernode or group as a page shows it."""

    kind: str
    name: str
    id: str
    status: str  # empty for a group
    status_kind: str


def occupant_texts(rows: Sequence[Row]) -> list[OccupantText]:
    """What is inside, row by row."""
    return [_text(row) for row in rows]


def count_text(count: int) -> str:
    """How much is inside: "2 inside", or "Empty"."""
    return ngettext("%(count)d inside", "%(count)d inside", count) % {"count": count} if count else _("Empty")


def counts_text(rows: Sequence[Row]) -> str:
    """How many supernodes and groups: "3 supernodes, 2 groups"."""
    groups = sum(row["kind"] == OccupantKind.GROUP for row in rows)
    supernodes = len(rows) - groups
    counts = [
        ngettext("%(count)d supernode", "%(count)d supernodes", supernodes) % {"count": supernodes},
        ngettext("%(count)d group", "%(count)d groups", groups) % {"count": groups},
    ]
    return _(", ").join(text for text, count in zip(counts, (supernodes, groups), strict=True) if count)


def names_text(rows: Sequence[Row], total: int) -> str:
    """The names of what is inside, each with its kind; the first few of many. `total`: how many there are."""
    names = [
        _("%(name)s (%(kind)s)") % {"name": row["name"] or row["id"], "kind": _kind(row)}
        for row in rows[:MOST_NAMES]
    ]
    if more := total - len(names):
        names.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return _(", ").join(names)


def _kind(row: Row) -> str:
    return _("group") if row["kind"] == OccupantKind.GROUP else _("supernode")


def _text(row: Row) -> OccupantText:
    status, status_kind = STATUSES.get(row["status"], (row["status"], "idle"))
    kind = _("Group") if row["kind"] == OccupantKind.GROUP else _("Supernode")
    return OccupantText(kind, row["name"], row["id"], str(status), status_kind)
