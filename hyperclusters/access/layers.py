"""How several grants of one person in one team add up: the highest counts, and the lower ones stay beneath it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hyperclusters.audit import clock

from .models import SITE_ROLES, TEAM_ROLES, Grant, Role

Stage = tuple[Role, datetime | None]  # a role, and until when it is the highest one; None: no end date


def replaced_by(
    grants: Iterable[Grant], role: Role, until: datetime | None, *, keep_higher: bool
) -> list[Grant]:
    """Which of a person's open grants in one place end with a new one, the highest first.

    The one of this role, lower ones that would never count again, those that have expired, and higher ones unless
    `keep_higher`. Site roles stand side by side.
    """
    if role in SITE_ROLES:
        return [each for each in grants if each.role == role]
    now = clock.now()
    old_grants = [
        each
        for each in grants
        if each.role == role
        or (each.until is not None and each.until <= now)
        or (not keep_higher if each.is_above(role) else _covers(until, each.until))
    ]
    return sorted(old_grants, key=rank, reverse=True)


def covering_grant(grants: Iterable[Grant], role: Role, until: datetime | None) -> Grant | None:
    """The grant, if any, that already allows as much for as long."""
    return next((each for each in grants if not each.is_below(role) and each.lasts(until)), None)


def stages(grants: Iterable[Grant]) -> list[Stage]:
    """What a person's grants in one team amount to, from now on: each role while it is the highest."""
    after: list[Stage] = []
    for grant in sorted(grants, key=rank, reverse=True):
        if not after or not _covers(after[-1][1], grant.until):
            after.append((Role(grant.role), grant.until))
    return after


def is_outlasted(grant: Grant, grants: Iterable[Grant]) -> bool:
    """Whether its end takes nothing away: a higher one of these grants lasts as long in the same team."""
    above = TEAM_ROLES[rank(grant) + 1 :] if grant.team_id else ()
    return any(
        each.team_id == grant.team_id and each.role in above and each.lasts(grant.until) for each in grants
    )


def highest(grants: Iterable[Grant]) -> list[Grant]:
    """Those of a person's grants that count now: in each team the highest, and every site role."""
    by_rank = sorted(grants, key=rank)
    return list({(each.team_id, "" if each.team_id else each.role): each for each in by_rank}.values())


def rank(grant: Grant) -> int:
    """Where its role stands, from the weakest on."""
    return list(Role).index(Role(grant.role))


def replaced_as_audit_json(grants: list[Grant]) -> dict[str, Any] | None:
    """The grants that ended with a new one, as the ledger stores them: the highest, and the others in `also`."""
    if not grants:
        return None
    first, *others = (each.as_audit_json() for each in grants)
    return first | {"also": others} if others else first


def _covers(until: datetime | None, other: datetime | None) -> bool:
    """Whether access that lasts until the one end outlasts, or reaches, the other."""
    return until is None or (other is not None and other <= until)
