"""Checks what surrounds the ledger's rows against the migrations: tables, columns, constraints, indexes, triggers.

`catalogue` reads what the database has around every table of the ledger. The models, `people_events`, `search` and
`triggers` say what must exist. What is missing, changed or not ours is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from . import people_events, triggers
from .catalogue import CODE, Things, parts_of, plain, present
from .models import Event
from .search import INDEX, INDEX_SQL, TABLE_SQL


@cache
def migrations_on_disk() -> frozenset[tuple[str, str]]:
    """App and name of every migration of this release."""
    return frozenset(MigrationLoader(None).disk_migrations)


def later_migrations() -> list[str]:
    """The ledger's migrations that are applied and that this release does not know, sorted. One query.

    While there is one, `changes` takes a later release's columns and indexes for somebody's.
    """
    unknown = MigrationRecorder(connection).applied_migrations().keys() - migrations_on_disk()
    return sorted(name for app, name in unknown if app == Event._meta.app_label)


def changes() -> dict[str, str]:
    """What is missing, changed, switched off or not ours, in words, each with what is there now. One query."""
    tables = {model._meta.db_table for model in _models()}
    others = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    others |= {MigrationRecorder.Migration._meta.db_table, *_cache_tables()}
    plan, things = _expected_things(), present(tables, others - tables)
    code = things.pop(CODE, "")
    losses = {f"{' '.join(thing)} is missing": "" for thing in plan.keys() - things.keys()}
    strange = {
        f"{' '.join(thing)} is not ours": things[thing] + code for thing in things.keys() - plan.keys()
    }
    edits = {
        f"{' '.join(thing)} was changed or switched off": things[thing] + code
        for thing in plan.keys() & things.keys()
        if _comparable(thing[0], plan[thing]) != _comparable(thing[0], things[thing])
    }
    return dict(sorted((losses | strange | edits).items()))


def _cache_tables() -> list[str]:
    """The tables of Django's caches."""
    caches = [each for each in settings.CACHES.values() if str(each["BACKEND"]).endswith("DatabaseCache")]
    return [str(each["LOCATION"]) for each in caches]


def _models() -> list[type[models.Model]]:
    """Every model of the ledger."""
    return list(apps.get_app_config(Event._meta.app_label).get_models())


@cache
def _expected_things() -> Things:
    is_sqlite = connection.vendor == "sqlite"
    things: Things = {}
    for model in _models():
        things["table", model._meta.db_table] = "table" if is_sqlite else "rp"
        things |= _sqlite_table(model) if is_sqlite else _postgresql_table(model)
    things |= _event_indexes()
    if is_sqlite:
        things["table", "audit_event_name"] = TABLE_SQL
    definitions = triggers.definitions(connection.vendor)
    return things | {("trigger", name): definition for name, definition in definitions.items()}


def _sqlite_table(model: type[models.Model]) -> Things:
    name = model._meta.db_table
    editor = connection.SchemaEditorClass(connection, collect_sql=True)
    editor.deferred_sql = []
    things = parts_of(name, editor.table_sql(model)[0])
    for columns, is_unique in _indexed_columns(model):
        if columns == [model._meta.pk.column] and isinstance(model._meta.pk, models.AutoField):
            continue  # the row's own number
        things["index", f"of {name}: {', '.join(columns)}"] = ", ".join(columns) + " unique" * is_unique
    return things


def _postgresql_table(model: type[models.Model]) -> Things:
    name = model._meta.db_table
    things: Things = {}
    for field in model._meta.concrete_fields:
        parameters = field.db_parameters(connection)
        kind = str(parameters["type"]).lower().replace("varchar(", "character varying(")
        default = f" default {_literal(field.db_default)}" if field.has_db_default() else ""
        identity = " identity d" if isinstance(field, models.AutoField) else ""
        null = "" if field.null else " not null"
        things["column", f"{name}.{field.column}"] = f"{kind}{null}{default}{identity}"
        if check := parameters["check"]:
            things["constraint", f"{name} CHECK ({check})"] = ""
        if kind.startswith("character varying") and (field.unique or getattr(field, "db_index", False)):
            things["index", f"of {name} USING btree ({field.column} varchar_pattern_ops)"] = ""
    editor = connection.SchemaEditorClass(connection, collect_sql=True)
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.CheckConstraint):
            check = str(constraint.constraint_sql(model, editor)).partition(" CHECK ")[2]
            things["constraint", f"{name} CHECK {check}"] = ""
    for columns, is_unique in _indexed_columns(model):
        column_list = ", ".join(columns)
        if is_unique:
            is_key = columns == [model._meta.pk.column]
            things["constraint", f"{name} {'PRIMARY KEY' if is_key else 'UNIQUE'} ({column_list})"] = ""
        if model is not Event:
            things["index", f"{'UNIQUE ' * is_unique}of {name} USING btree ({column_list})"] = ""
    return {(kind, plain(words)): definition for (kind, words), definition in things.items()}


def _indexed_columns(model: type[models.Model]) -> Iterator[tuple[list[str], bool]]:
    """The columns of each index that the table's keys, fields and constraints have, and whether it is unique."""
    columns = {field.name: str(field.column) for field in model._meta.concrete_fields}
    for field in model._meta.concrete_fields:
        if field.unique or getattr(field, "db_index", False):
            yield [columns[field.name]], field.unique
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            yield [columns[name] for name in constraint.fields], True
    if model is not Event:
        for index in model._meta.indexes:
            yield [columns[name] for name in index.fields], False


def _event_indexes() -> Things:
    indexes = {index.name: ", ".join(index.fields) for index in Event._meta.indexes}
    if connection.vendor == "sqlite":
        people_indexes = {
            name: f"{columns} WHERE {people_events.PEOPLE_SQL}"
            for name, columns in people_events.INDEXES.items()
        }
        return {("index", name): columns for name, columns in (indexes | people_indexes).items()}
    btree = "CREATE {} {} ON audit_event USING btree ({})"
    definitions = {name: btree.format("INDEX", name, columns) for name, columns in indexes.items()}
    for name, columns in people_events.INDEXES.items():
        definitions[name] = f"{btree.format('INDEX', name, columns)} WHERE {people_events.PEOPLE_SQL}"
    definitions["audit_event_pkey"] = btree.format("UNIQUE INDEX", "audit_event_pkey", "seq")
    return {("index", name): sql for name, sql in (definitions | {INDEX: INDEX_SQL}).items()}


def _literal(value: Any) -> str:
    """A column's default as PostgreSQL writes it, without the type."""
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def _comparable(kind: str, definition: str) -> str:
    """Normalise a definition: PostgreSQL adds schemas and changes brackets, blanks, quotes and capitals."""
    if connection.vendor == "sqlite":
        return definition
    if kind == "index":
        definition = re.sub(r"\S+\.(audit_event|gin_trgm_ops)\b", r"\1", definition)
        return re.sub(r"[\s()']|::(text|character varying)", "", definition).lower()
    if kind == "column":
        return re.sub(r"::(character varying|text)$", "", definition)
    head, mark, body = definition.partition(chr(1))
    return re.sub(r"[\s()]", "", head).lower() + mark + body if kind == "trigger" else definition
