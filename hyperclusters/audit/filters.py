"""Filters over the ledger, and the queries that they mean.

Each filter has an index that continues with time and number and then with what it may be combined with, so a page
costs the same at any depth, and a combination without events is recognised in the index alone. Filters that are
common by themselves but may share nothing have an index as a pair (`PAIRS`). An *or* (one of several actions; a text is
a part of an event or of a cluster's ID) becomes several queries; an admin of several teams is one query per team.
SQLite has no statistics of values, so every filter but the leading one is hidden from its planner (`WithoutIndex`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import reduce
from itertools import product
from operator import or_
from typing import Any

from django.db.models import F, Func, Q, Value
from django.db.models.functions import StrIndex, Upper
from django.db.models.lookups import Exact, In

from .models import PAIRS, EventQuerySet
from .models.event import TextIn
from .people_events import by_people
from .search import LEAST, contains
from .times import LATEST
from .vocabulary import EventType

# Filters by equality, the most selective first: its index is used.
EQUAL = ("person_name", "ip", "project_name", "team_id", "action", "outcome")
AT_ONCE = 12  # values of a filter that are asked for one by one, each in the order of its index
NO_READS = ~Q(action=EventType.AUDIT_READ)  # the search's index has no reads of the audit
Texts = str | tuple[str, ...]  # one value, or any of several


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What to look for; all conditions must hold. Times are aware; `since` is included, `until` is not.

    `about`: object IDs or names. `request`: a request ID, ours or the cloud's. `text`: a part of what an event says
    (see `search`); `text_ids`: object IDs that the text also stands for. `reason`, `code`: parts of these.
    `people_only`: without reads of the audit and what workers noticed, unless actions are chosen.
    """

    since: datetime | None = None
    until: datetime | None = None
    person_name: Texts = ""
    team_id: int | tuple[int, ...] | None = None
    project_name: Texts = ""
    action: Texts = ""
    outcome: Texts = ""
    ip: Texts = ""
    about: tuple[str, ...] = ()
    request: str = ""
    reason: str = ""
    code: str = ""
    text: str = ""
    text_ids: tuple[str, ...] = ()
    people_only: bool = False

    def as_audit_json(self) -> dict[str, Any]:
        """The conditions, as the ledger and the manifest of an export store them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: _plain(value)
            for name, value in values.items()
            if value not in ("", None, ()) and value is not False
        }

    def alternatives(
        self, visible: Iterable[EventQuerySet], *, at_any_time: bool = False
    ) -> list[EventQuerySet]:
        """The filter as several queries, each of which can use one index in the order of the list.

        An event fits if it is in any of them; it may be in several. `at_any_time`: without the times, for callers
        that add them.
        """
        queries = [part for rows in visible if self._may_fit(rows) for part in self._queries(rows)]
        if not at_any_time:
            queries = [self._within_times(rows) for rows in queries]
        for choice in (self._about(), self._request(), self._text()):
            if choice:
                queries = [rows.filter(one) for rows in queries for one in choice]
        return queries

    def apply(self, visible: EventQuerySet) -> EventQuerySet:
        """The filter as one query, for callers that need every event."""
        rows = visible
        for name, values in self._equal().items():
            rows = rows.filter(**{f"{name}__in": values})
        rows = self._within_times(self._by_people(self._search(rows)))
        for choice in (self._about(), self._request(), self._text()):
            if choice:
                rows = rows.filter(reduce(or_, choice))
        return rows

    def _equal(self) -> dict[str, tuple[Any, ...]]:
        values = {name: getattr(self, name) for name in EQUAL}
        several = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
        return {name: value for name, value in several.items() if value not in (("",), (None,), ())}

    def _may_fit(self, rows: EventQuerySet) -> bool:
        """Whether each indexed pair of three or more filters has any event. Where a pair has none, the database,
        which knows how common each filter is but not how common both are, might read all events of a third."""
        equal = self._equal()
        pairs = [pair for pair in PAIRS if equal.keys() >= set(pair)] if len(equal) > 2 else []
        return all(rows.filter(**{f"{name}__in": equal[name] for name in pair}).exists() for pair in pairs)

    def _queries(self, rows: EventQuerySet) -> list[EventQuerySet]:
        """One query for each value of the filter whose index is used, so that each is in the order of the list."""
        equal = self._equal()
        index_names = _leading_names(list(equal))
        combinations = list(product(*(equal[name] for name in index_names)))
        if len(combinations) > AT_ONCE:  # so many are common enough to read by time
            index_names, combinations = (), [()]
        rows = self._by_people(self._search(rows))
        for name, values in equal.items():
            if name not in index_names:
                column = WithoutIndex(F(name))
                rows = rows.filter(Exact(column, values[0]) if len(values) == 1 else In(column, values))
        return [
            rows.filter(*(Exact(F(name), value) for name, value in zip(index_names, values, strict=True)))
            for values in combinations
        ]

    def _by_people(self, rows: EventQuerySet) -> EventQuerySet:
        if not self.people_only or self.action:
            return rows
        if self.person_name:
            return rows.filter(NO_READS)
        return rows.filter(by_people())

    def _search(self, rows: EventQuerySet) -> EventQuerySet:
        """The search's index finds those that may fit. Where many do, PostgreSQL reads events in their order instead."""
        for text, place in ((self.reason, F("reason")), (self.code, TextIn("response", "code"))):
            if not text:
                continue
            # PostgreSQL expects this to hold for almost every row, so its estimate for `contains` decides the plan.
            says = ~Q(Exact(StrIndex(Upper(place), Upper(Value(text))), 0))
            rows = rows.filter(says)
            if len(text) >= LEAST:
                rows = rows.filter(contains(text))
        return rows

    def _within_times(self, rows: EventQuerySet) -> EventQuerySet:
        if self.since:
            rows = rows.filter(at__gte=self.since)
        return rows.filter(at__lt=self.until) if self.until and self.until < LATEST else rows

    def _about(self) -> list[Q]:
        return [Q(object_name__in=self.about), Q(object_id__in=self.about)] if self.about else []

    def _request(self) -> list[Q]:
        value = self.request
        return [Q(request_id=value), Q(upstream_request_id=value)] if value else []

    def _text(self) -> list[Q]:
        if not self.text:
            return []
        ids = [Q(object_id__in=self.text_ids) & NO_READS] if self.text_ids else []
        return [*ids, contains(self.text) & NO_READS]


class WithoutIndex(Func):
    """A column that SQLite must not choose an index by: it knows too little of the values to choose well.

    PostgreSQL has statistics and gets the column as it is.
    """

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite's own way: a unary plus."""
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


def _leading_names(names: list[str]) -> tuple[str, ...]:
    """The one or two filters whose index is used."""
    pairs = (pair for pair in PAIRS if set(pair) <= set(names) and pair[0] == names[0])
    return next(pairs, tuple(names[:1]))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
