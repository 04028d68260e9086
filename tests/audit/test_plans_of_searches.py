"""What PostgreSQL reads for a word, in the reason or anywhere: the newest events in their order if it is common, the
search's index if it is rare. Neither grows with the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from hyperclusters.audit import clock
from hyperclusters.audit.chain import PendingEvent, append
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import SIZE, page
from hyperclusters.audit.search import INDEX
from hyperclusters.audit.vocabulary import EventType, Outcome

EVENTS = 8_000


@pytest.fixture
def ledger(database: None) -> None:
    """Every third event has the common word, and one in two thousand the rare one."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's search has an index of another kind")
    start = clock.now() - timedelta(days=1)
    events = [
        Event(
            at=start + timedelta(seconds=number),
            action=EventType.CREATE_REQUESTED,
            outcome=Outcome.ACCEPTED,
            object_name=f"train-{number:05}",
            reason="rare"
            if number % 2000 == 7
            else ("Baseline runs" if number % 3 == 0 else f"run {number}"),
            response={"code": "ModelArts.0001" if number % 3 == 0 else f"ModelArts.{number:05}"},
            source="page",
            request_id=f"{number:032x}",
        )
        for number in range(EVENTS)
    ]
    with transaction.atomic():
        append(connection, [PendingEvent(event) for event in events])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audit_event")


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


def read(event_filter: EventFilter) -> tuple[bool, int]:
    """Whether a page uses the search's index, and how many rows it reads at most in one step."""
    (rows,) = event_filter.alternatives([Event.objects.all()])
    plan = rows.order_by("-at", "-seq").values("seq")[: SIZE + 2].explain(format="json", analyze=True)
    nodes = [
        node for node in nodes_of(json.loads(plan)[0]["Plan"]) if node["Node Type"] != "Bitmap Index Scan"
    ]
    uses_search = INDEX in plan
    return uses_search, max(
        int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in nodes
    )


@pytest.mark.parametrize(
    "event_filter",
    [EventFilter(reason="baseline"), EventFilter(code="ModelArts.0001"), EventFilter(text="baseline")],
)
def test_a_common_word_reads_the_newest_events_and_stops(ledger: None, event_filter: EventFilter) -> None:
    uses_search, most = read(event_filter)
    assert not uses_search
    assert most <= 4 * SIZE
    assert len(page(event_filter.alternatives([Event.objects.all()])).events) == SIZE


@pytest.mark.parametrize("event_filter", [EventFilter(reason="RARE"), EventFilter(text="RARE")])
def test_a_rare_word_reads_the_events_that_have_it(ledger: None, event_filter: EventFilter) -> None:
    uses_search, most = read(event_filter)
    assert uses_search
    assert most == EVENTS // 2000
