"""The changes of access to a team, in words."""

from __future__ import annotations

from typing import Any

from hyperclusters.access.models import Team
from hyperclusters.access.permissions import Permission, may, visible_events
from hyperclusters.audit.archive_events import needle, past
from hyperclusters.audit.matching import Fields
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.segments import archives_since
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.web.audit.event_rows import Row, rows
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.texts.grants import granted_text

CHANGES = 20  # on a team's page


def history_context(request: PageRequest, team: Team) -> dict[str, Any]:
    """The latest changes of access, and where older ones are."""
    no_changes = [EventType.ACCESS_DENIED, EventType.ACCESS_EXPORTED]
    changes = visible_events(request.user).filter(team_id=team.pk, action__startswith="access:")
    newest = changes.exclude(action__in=no_changes).order_by("-at", "-seq")[:CHANGES]
    history = [event for _, event in events(newest) if event]
    may_read, shortfall = may(request.user, Permission.AUDIT, team), CHANGES - len(history)
    if not shortfall or not may_read:
        return {"history": _changes(history), "archives": archives_since()[-1:] if shortfall else []}

    def matches(fields: Fields) -> bool:
        action = fields["action"]
        return fields["team_id"] == team.pk and action.startswith("access:") and action not in no_changes

    older = past(None, matches, needles=[needle(team_id=team.pk)], size=shortfall)
    return {"history": _changes([*history, *older.events]), "archives": older.unread[-1:]}


def _changes(history: list[Event]) -> list[tuple[Event, Row, str]]:
    """Each event with its words in a list, and what was granted or requested."""
    return [(event, row, granted_text(event)) for event, row in zip(history, rows(history), strict=True)]
