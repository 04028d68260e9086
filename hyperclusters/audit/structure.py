"""Checks what surrounds the ledger's rows against the migrations: tables, columns, indexes, triggers, rules.

One catalogue query names everything that decides which rows a query sees or what a change does. The models and
`triggers` say what must exist. What is missing, changed or not ours is a finding.
"""

from __future__ import annotations

import re
from functools import cache

from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from . import people, triggers
from .models import AnchorFile, ChainHead, Event, Segment, Verification
from .search import INDEX, INDEX_SQL, TABLE_SQL

Things = dict[tuple[str, str], str]  # kind and name → definition
TABLES: dict[str, type[models.Model]] = {
    model._meta.db_table: model for model in (Event, ChainHead, Segment, AnchorFile, Verification)
}

POSTGRESQL = """
WITH ours AS (SELECT * FROM pg_class WHERE relname = ANY(%(tables)s) AND pg_table_is_visible(oid))
SELECT 'table', relname::text,
    relkind::text || relpersistence::text || CASE WHEN relrowsecurity OR relforcerowsecurity THEN ' row security' ELSE '' END
FROM ours
UNION ALL SELECT 'column', relname || '.' || attname, format_type(atttypid, atttypmod)
    || CASE WHEN attnotnull THEN ' not null' ELSE '' END || CASE WHEN attgenerated = '' THEN '' ELSE ' generated' END
    || coalesce((SELECT ' ' || collname FROM pg_collation l WHERE l.oid = attcollation AND collname <> 'default'), '')
FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    || CASE WHEN indisvalid AND indisready AND indislive THEN '' ELSE ' off' END
FROM ours JOIN pg_index ON indrelid = ours.oid AND relname = 'audit_event'
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(t.oid, true) || chr(1) || prosrc
    || CASE WHEN tgenabled IN ('O', 'A') THEN '' ELSE ' off' END || coalesce(proconfig::text, '')
    || CASE WHEN prosecdef THEN ' security definer' ELSE '' END
FROM ours JOIN pg_trigger t ON tgrelid = ours.oid AND NOT tgisinternal JOIN pg_proc p ON p.oid = tgfoid
UNION ALL SELECT 'policy', relname || '.' || polname, '' FROM ours JOIN pg_policy ON polrelid = ours.oid
UNION ALL SELECT 'rule', relname || '.' || rulename, '' FROM ours JOIN pg_rewrite ON ev_class = ours.oid
UNION ALL SELECT 'inheritance', inhparent::regclass || ' by ' || inhrelid::regclass, ''
FROM ours JOIN pg_inherits ON ours.oid IN (inhparent, inhrelid)
-- A function or operator of another schema may answer in the place of PostgreSQL's own. Those of extensions are C.
UNION ALL SELECT 'function', p.oid::regprocedure::text, ''
FROM pg_proc p JOIN pg_language l ON l.oid = prolang AND lanname <> 'c' JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname = ANY(current_schemas(false)) AND nspname <> 'pg_catalog'
    AND EXISTS (SELECT FROM pg_proc own WHERE own.proname = p.proname AND own.pronamespace = 'pg_catalog'::regnamespace)
UNION ALL SELECT 'operator', o.oid::regoperator::text, ''
FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode JOIN pg_language l ON l.oid = prolang AND lanname <> 'c'
JOIN pg_namespace n ON n.oid = oprnamespace WHERE nspname = ANY(current_schemas(false)) AND nspname <> 'pg_catalog'
UNION ALL SELECT 'setting', name || ' of ' || holder, '' FROM (
    SELECT split_part(unnest(setconfig), '=', 1) AS name, coalesce(setrole::regrole::text, 'all roles') AS holder
    FROM pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL SELECT name, 'this connection' FROM pg_settings
    WHERE name = 'session_replication_role' AND reset_val <> 'origin'
    UNION ALL SELECT 'search_path', 'this connection' WHERE (
        SELECT nspname FROM unnest(current_schemas(true)) nspname WHERE nspname NOT LIKE 'pg\\_temp%%' LIMIT 1
    ) <> 'pg_catalog'
) settings WHERE name = 'session_replication_role' OR holder = 'this connection'
"""
SQLITE = """
WITH ours AS (SELECT * FROM sqlite_master WHERE tbl_name IN ({tables}))
SELECT 'table', name, type || CASE WHEN sql LIKE '%%collate%%' THEN ' collated' ELSE '' END FROM ours
WHERE type IN ('table', 'view')
UNION ALL SELECT 'table', name, sql FROM sqlite_master WHERE name = 'audit_event_name'
UNION ALL SELECT 'column', ours.name || '.' || one.name, lower(one.type) || CASE WHEN "notnull" THEN ' not null' ELSE '' END
    || CASE WHEN hidden THEN ' generated' ELSE '' END
FROM ours, pragma_table_xinfo(ours.name) one WHERE ours.type IN ('table', 'view')
UNION ALL SELECT 'index', list.name, group_concat(one.name || CASE WHEN "desc" THEN ' desc' ELSE '' END
    || CASE WHEN coll = 'BINARY' THEN '' ELSE ' ' || coll END, ', ') || CASE WHEN partial
    THEN (SELECT substr(sql, instr(sql, ' WHERE ')) FROM sqlite_master one WHERE one.name = list.name) ELSE '' END
FROM pragma_index_list('audit_event') list, pragma_index_xinfo(list.name) one WHERE one."key" GROUP BY list.name
UNION ALL SELECT 'trigger', name, sql FROM ours WHERE type = 'trigger'
"""


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


def changes() -> list[str]:
    """What is missing, changed, switched off or not ours, in words. One query."""
    wanted, present = _expected_things(), _present()
    missing = [f"{' '.join(thing)} is missing" for thing in wanted.keys() - present.keys()]
    strange = [f"{' '.join(thing)} is not ours" for thing in present.keys() - wanted.keys()]
    changed = [
        f"{' '.join(thing)} was changed or switched off"
        for thing in wanted.keys() & present.keys()
        if _comparable(thing[0], wanted[thing]) != _comparable(thing[0], present[thing])
    ]
    return sorted([*missing, *strange, *changed])


def _present() -> Things:
    is_sqlite = connection.vendor == "sqlite"
    query = SQLITE.format(tables=", ".join(f"'{name}'" for name in TABLES)) if is_sqlite else POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(query, [] if is_sqlite else {"tables": list(TABLES)})
        rows = cursor.fetchall()
    return {(kind, name): definition for kind, name, definition in rows}


def _expected_things() -> Things:
    is_sqlite = connection.vendor == "sqlite"
    things: Things = {("table", name): "table" if is_sqlite else "rp" for name in TABLES}
    for name, model in TABLES.items():
        for field in model._meta.concrete_fields:
            column = (
                str(field.db_type(connection))
                .lower()
                .replace("varchar(", "varchar(" if is_sqlite else "character varying(")
            )
            things["column", f"{name}.{field.column}"] = column + ("" if field.null else " not null")
    indexes = {index.name: ", ".join(index.fields) for index in Event._meta.indexes}
    if is_sqlite:
        things["table", "audit_event_name"] = TABLE_SQL
        things |= {("index", name): columns for name, columns in indexes.items()}
        for name, columns in people.INDEXES.items():
            things["index", name] = f"{columns} WHERE {people.PEOPLE_SQL}"
    else:
        btree = "CREATE {} {} ON audit_event USING btree ({})"
        things["index", "audit_event_pkey"] = btree.format("UNIQUE INDEX", "audit_event_pkey", "seq")
        things["index", INDEX] = INDEX_SQL
        for name, columns in people.INDEXES.items():
            things["index", name] = f"{btree.format('INDEX', name, columns)} WHERE {people.PEOPLE_SQL}"
        things |= {("index", name): btree.format("INDEX", name, columns) for name, columns in indexes.items()}
    definitions = triggers.definitions(connection.vendor)
    return things | {("trigger", name): definition for name, definition in definitions.items()}


def _comparable(kind: str, definition: str) -> str:
    """Normalise a definition: PostgreSQL adds schemas and changes brackets, blanks, quotes and capitals."""
    if connection.vendor == "sqlite":
        return definition
    if kind == "index":
        definition = re.sub(r"\S+\.(audit_event|gin_trgm_ops)\b", r"\1", definition)
        return re.sub(r"[\s()']|::(text|character varying)", "", definition).lower()
    head, mark, body = definition.partition(chr(1))
    return re.sub(r"[\s()]", "", head).lower() + mark + body if kind == "trigger" else definition
