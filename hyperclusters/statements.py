"""Statements of every page whose SQL is built once: Django spends milliseconds of CPU on SQL that never changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from copy import copy
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection, connections, models

Row = TypeVar("Row")
Build = Callable[..., models.QuerySet[Any, Row]]
DAY = re.compile(r"\d{4}-\d\d-\d\d")  # begins each time and date, as a database takes it
MOST = 500  # statements that one process remembers


class Slot(models.Expression):
    """A value in a queryset that is given when the statement runs."""

    def __init__(self, name: str, output_field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:  # noqa: ARG002 -- Django's
        """A placeholder, with itself as the parameter."""
        return "%s", [self]

    def value(self, values: dict[str, Any]) -> Any:
        """Its value, as the database takes it."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


PERSON = Slot("person", models.BigIntegerField())
NOW, SINCE = Slot("now", models.DateTimeField()), Slot("since", models.DateTimeField())
TODAY = Slot("today", models.DateField())


class _Text(NamedTuple):
    """SQL and its parameters; a Slot among them stands for a value."""

    sql: str
    parameters: tuple[Any, ...]

    def fill(self, values: dict[str, Any]) -> list[Any]:
        return [each.value(values) if isinstance(each, Slot) else each for each in self.parameters]


class _Statement(NamedTuple):
    queryset: models.QuerySet[Any, Any]
    compiler: Any
    text: _Text


def count(build: Build[Any], *shape: Hashable, **values: Any) -> int:
    """How many rows the queryset has that `build(*shape)` returns, where each `Slot` stands for the value of its name.

    `shape`: all that the text of the SQL depends on. Raises ValueError if the queryset has a time that is no Slot.
    """
    return counts([build], *shape, **values)[0]


def counts(builds: Iterable[Build[Any]], *shape: Hashable, **values: Any) -> list[int]:
    """`count` for several querysets by one statement, in their order."""
    builds = tuple(builds)
    text = _numbers(connection.vendor, builds, shape)
    if text is None:
        return [0] * len(builds)
    with connection.cursor() as cursor:
        cursor.execute(text.sql, text.fill(values))
        return list(cursor.fetchone())


def non_empty(builds: Iterable[Build[Any]], *shape: Hashable, **values: Any) -> set[Build[Any]]:
    """Those of these querysets that have a row, by one statement: `rows` of an empty one costs what it costs of a full one."""
    builds = tuple(builds)
    numbers = counts((at_most(build, 1) for build in builds), *shape, **values)
    return {build for build, number in zip(builds, numbers, strict=True) if number}


@cache
def at_most(build: Build[Row], most: int) -> Build[Row]:
    """Builds the same in no order, up to so many rows: what is counted need not be sorted."""
    return lambda *shape: build(*shape).order_by()[:most]


def rows(build: Build[Row], *shape: Hashable, most: int | None, **values: Any) -> list[Row]:
    """The first rows of the queryset that `build(*shape)` returns, as with `count`; `most`: at most so many; None: all."""
    statement = _statement(connection.vendor, build, shape, most)
    if statement is None:
        return []
    text = statement.text
    queryset, compiler = statement.queryset.all(), copy(statement.compiler)
    compiler.connection = connections[queryset.db]  # of this thread
    compiler.as_sql = lambda *_, **__: (text.sql, text.fill(values))
    queryset.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]
    return list(queryset)


@lru_cache(MOST)
def _numbers(_vendor: str, builds: tuple[Build[Any], ...], shape: tuple[Hashable, ...]) -> _Text | None:
    """The numbers of rows in one row. None where no queryset can have one."""
    querysets = [build(*shape) for build in builds]
    # Rows that are counted need no columns, which take long to parse. The parts of a union choose their own.
    rows = [each if each.query.combinator else each.values("pk") for each in querysets]
    texts = [statement.text if (statement := _compile(each)) else None for each in rows]
    if not any(texts):
        return None
    numbers = (f"(SELECT COUNT(*) FROM ({text.sql}) counted)" if text else "0" for text in texts)  # noqa: S608 -- Django's own SQL
    parameters = (each for text in texts if text for each in text.parameters)
    return _Text(f"SELECT {', '.join(numbers)}", tuple(parameters))


@lru_cache(MOST)
def _statement(
    _vendor: str, build: Build[Any], shape: tuple[Hashable, ...], most: int | None
) -> _Statement | None:
    return _compile(build(*shape)[:most])


def _compile(queryset: models.QuerySet[Any, Any]) -> _Statement | None:
    """None where Django sees without the database that no row can fit."""
    compiler = queryset.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return None
    if times := [each for each in parameters if DAY.match(str(each))]:
        raise ValueError(f"SQL that is built once would keep the time {times[0]} for ever: use a Slot")
    return _Statement(queryset, compiler, _Text(sql, tuple(parameters)))
