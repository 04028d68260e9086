"""Checks that indexes and search find exactly the events in the table. A stale index hides events from pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import DatabaseError, connection, transaction

from . import people_events, search
from .findings import IntegrityIssue, IntegrityIssues, IssueKind
from .models import Event

MESSAGES = 20  # about one index
# PostgreSQL: the planner has one way through the table, and one through the index whose columns the order names. With the
# number hidden in an expression no other index is of use.
WITHIN = "seq + 0 BETWEEN %s AND %s"
TABLE = f"SELECT seq FROM audit_event WHERE ctid >= '(0,0)' AND {WITHIN}"  # noqa: S608 -- our own words
ORDER_QUERY = f"SELECT seq FROM audit_event WHERE {WITHIN} ORDER BY "  # noqa: S608 -- our own words
SEARCH_QUERY = f"SELECT seq FROM audit_event WHERE UPPER({search.WORDS}) LIKE '%%' AND {WITHIN}"  # noqa: S608 -- our own words
SUM = "SELECT ROW(count(*), sum(hashint8(seq))) FROM ({}) one"
PARALLEL = "max_parallel_workers_per_gather"
SERIAL = f"SET LOCAL {PARALLEL} = 0"
PLANS_TO_AVOID = ("seqscan", "sort", "incremental_sort")
AVOIDED_BY_SEARCH = ("seqscan", "indexscan", "indexonlyscan")


def inspect(findings: IntegrityIssues, first: int, last: int, earlier: Iterable[IntegrityIssue] = ()) -> None:
    """Add the events from `first` to `last` for which an index or the search says something else than the table.

    `earlier`: what the chain proves already. The search need not repeat that an event was edited.
    """
    if connection.vendor == "postgresql":
        by_index = {index.name: ORDER_QUERY + ", ".join(index.fields) for index in Event._meta.indexes}
        _compare(findings, by_index | {"audit_event_pkey": ORDER_QUERY + "seq"}, PLANS_TO_AVOID, first, last)
        people_query = ORDER_QUERY.replace("ORDER BY", f"AND {people_events.PEOPLE_SQL} ORDER BY")
        by_people = {name: f"{people_query}{columns}" for name, columns in people_events.INDEXES.items()}
        _compare(findings, by_people, PLANS_TO_AVOID, first, last, people_events.PEOPLE_SQL)
        by_search = {search.INDEX: f"{SEARCH_QUERY} AND {search.SEARCH_CONDITION}"}
        _compare(findings, by_search, AVOIDED_BY_SEARCH, first, last, search.SEARCH_CONDITION)
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check('audit_event')")
        messages = [message for (message,) in cursor.fetchmany(MESSAGES)]
    for message in messages if messages != ["ok"] else []:
        findings.add(IssueKind.INDEX_EDITED, 0, detail=message)
    try:
        unfound = search.wrong_entries(first, last, MESSAGES)
        if not search.is_findable():
            findings.add(IssueKind.INDEX_EDITED, 0, detail="the search does not find what its index has")
    except DatabaseError as error:
        findings.add(IssueKind.INDEX_EDITED, 0, detail=f"the search: {error}")
        return
    for seq in unfound:
        if any(each.first <= seq <= each.last for each in earlier):
            continue
        findings.add(IssueKind.INDEX_EDITED, seq, detail="the search has other words for it")


def _compare(
    findings: IntegrityIssues,
    queries: dict[str, str],
    plans_to_avoid: Iterable[str],
    first: int,
    last: int,
    condition: str = "true",
) -> None:
    """Add the events that an index's query finds and the table does not have, or the reverse. Each statement sees one
    moment, whatever is archived meanwhile. `condition`: of the events that these indexes have."""
    # Inside CASE no partial index is known to fit: the table itself is read, whatever the statistics make cheaper.
    whole = f"{TABLE} AND CASE WHEN {condition} THEN true ELSE false END"
    settings = [f"enable_{name}" for name in plans_to_avoid]
    sums = ", ".join(f"({SUM.format(query)})" for query in (whole, *queries.values()))
    with transaction.atomic(), connection.cursor() as cursor:
        # Merging the parts of several workers in order costs more than they save.
        cursor.execute("; ".join([SERIAL, *(f"SET LOCAL {name} = off" for name in settings)]))
        cursor.execute(f"SELECT {sums}", [first, last] * (len(queries) + 1))
        table, *others = cursor.fetchone()
        for name in (name for name, index in zip(queries, others, strict=True) if index != table):
            for seq in _between(cursor, whole, queries[name], first, last):
                findings.add(IssueKind.INDEX_EDITED, seq, detail=f"index {name}")
        cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in [*settings, PARALLEL]))


def _between(cursor: Any, whole: str, query: str, first: int, last: int) -> list[int]:
    differences = f"(({whole}) EXCEPT ALL ({query})) UNION ALL (({query}) EXCEPT ALL ({whole})) ORDER BY 1 LIMIT {MESSAGES}"
    cursor.execute(differences, [first, last] * 4)
    return [seq for (seq,) in cursor.fetchall()]
