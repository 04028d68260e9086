"""The subnets to choose from, searched by what is typed."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from hyperclusters.clusters.models import Project
from hyperclusters.clusters.subnets import Subnet, known_subnets
from hyperclusters.modelarts import is_subnet_id
from hyperclusters.web.texts.refusals import subnet_trouble

MOST_ROWS = 500  # in a page; a search reaches the others
FEW_ROWS = 6  # need no click to be seen


@dataclass(frozen=True, slots=True)
class SubnetChoices:
    """What the list shows."""

    rows: list[Subnet]
    total: int
    matches: int
    search: str  # empty: not searched
    subnet_id: str  # in the field; empty: none
    subnet: Subnet | None  # of this ID, if it is known

    @property
    def is_open(self) -> bool:
        """Whether the rows show without a click."""
        return bool(self.search) or (self.total <= FEW_ROWS and not self.subnet_id)


def subnets_context(project: Project, entry: str, key_on_page: str | None) -> dict[str, object]:
    """Context for the list and the note beside the field; empty if the page shows them for the same entries already.

    `entry`: an ID, or a part of an ID or of a cluster's name.
    """
    key = f"{project.name}|{entry}"
    if key == key_on_page:
        return {}
    choices = _choices(project, entry)
    return {"subnets": choices, "subnets_key": key, "subnet_note": _note(choices, entry)}


def _choices(project: Project, entry: str) -> SubnetChoices:
    subnets = known_subnets(project)
    text = entry.strip()
    subnet_id = text if is_subnet_id(text) else ""
    search = "" if subnet_id else text
    matches = [subnet for subnet in subnets if subnet.matches(search)]
    return SubnetChoices(
        rows=matches[:MOST_ROWS],
        total=len(subnets),
        matches=len(matches),
        search=search,
        subnet_id=subnet_id,
        subnet=next((subnet for subnet in subnets if subnet.subnet_id == subnet_id), None),
    )


def _note(choices: SubnetChoices, entry: str) -> dict[str, object]:
    """What to say of what is typed: who uses the subnet, or what is wrong with it."""
    if choices.subnet_id and choices.subnet_id == entry:
        if choices.subnet and (users := choices.subnet.clusters):
            return {"kind": "", "text": _("Used by"), "clusters": users[:3], "more": len(users[3:])}
        return {"kind": "", "text": _("No cluster of this project uses it, as far as we know.")}
    if choices.matches and entry and choices.search == entry and not is_subnet_id(entry.lower()):
        return {}  # the list says how many
    return {"kind": "err", "text": subnet_trouble(entry)} if entry else {}
