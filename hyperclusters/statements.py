"""Counts of every page whose SQL is built once: Django spends milliseconds of CPU on SQL that never changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models

Build = Callable[..., models.QuerySet[Any]]
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


def count(build: Build, *shape: Hashable, **values: Any) -> int:
    """How many rows the queryset has that `build(*shape)` returns, where each `Slot` stands for the value of its name.

    `shape`: all that the text of the SQL depends on.
    """
    try:
        sql, parameters = _statement(connection.vendor, build, shape)
    except EmptyResultSet:  # Django sees without the database that no row can fit
        return 0
    with connection.cursor() as cursor:
        cursor.execute(sql, [each.value(values) if isinstance(each, Slot) else each for each in parameters])
        return int(cursor.fetchone()[0])


@lru_cache(MOST)
def _statement(_vendor: str, build: Build, shape: tuple[Hashable, ...]) -> tuple[str, tuple[Any, ...]]:
    sql, parameters = build(*shape).query.get_compiler(connection=connection).as_sql()
    return f"SELECT COUNT(*) FROM ({sql}) counted", tuple(parameters)  # noqa: S608 -- Django's own SQL
