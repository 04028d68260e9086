"""Reads from the database's catalogue what surrounds the ledger's rows: tables, columns, constraints, indexes, triggers.

One query names everything that decides which rows a query sees or what a change does. `structure` says what must exist.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from django.db import connection

Things = dict[tuple[str, str], str]  # kind and name → definition
CODE = ("code", "")  # all functions and views that are not the dashboard's
LEDGER = "audit_event"  # its indexes are known by name, those of other tables by what they say

POSTGRESQL = """
WITH visible AS (SELECT * FROM pg_class WHERE pg_table_is_visible(oid)),
extensions AS (SELECT classid AS class, objid AS number FROM pg_depend WHERE deptype = 'e'),
ours AS (SELECT * FROM visible WHERE relname = ANY(%(tables)s)),
others AS (SELECT * FROM visible WHERE relname = ANY(%(others)s)),
dashboard AS (SELECT * FROM ours UNION ALL SELECT * FROM others)
SELECT 'table', relname::text,
    relkind::text || relpersistence::text || CASE WHEN relrowsecurity OR relforcerowsecurity THEN ' row security' ELSE '' END
FROM ours
UNION ALL SELECT 'column', relname || '.' || attname, format_type(atttypid, atttypmod)
    || CASE WHEN attnotnull THEN ' not null' ELSE '' END || CASE WHEN attgenerated = '' THEN '' ELSE ' generated' END
    || CASE WHEN attidentity = '' THEN '' ELSE ' identity ' || attidentity::text END
    || coalesce((SELECT ' ' || collname FROM pg_collation l WHERE l.oid = attcollation AND collname <> 'default'), '')
    || coalesce(' default ' || pg_get_expr(adbin, adrelid), '')
FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
-- NOT NULL ('n', newer servers) is the column's.
UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || pg_get_constraintdef(c.oid), ''
FROM ours JOIN pg_constraint c ON ours.oid IN (conrelid, confrelid) AND contype <> 'n'
UNION ALL SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    || CASE WHEN indisvalid AND indisready AND indislive THEN '' ELSE ' off' END
FROM ours JOIN pg_index ON indrelid = ours.oid
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(t.oid, true) || chr(1) || prosrc
    || CASE WHEN tgenabled IN ('O', 'A') THEN '' ELSE ' off' END || coalesce(proconfig::text, '')
    || CASE WHEN prosecdef THEN ' security definer' ELSE '' END
FROM ours JOIN pg_trigger t ON tgrelid = ours.oid AND NOT tgisinternal JOIN pg_proc p ON p.oid = tgfoid
UNION ALL SELECT 'policy', relname || '.' || polname, concat(pg_get_expr(polqual, polrelid), ' ', pg_get_expr(polwithcheck, polrelid))
FROM dashboard d JOIN pg_policy ON polrelid = d.oid
UNION ALL SELECT 'rule', relname || '.' || rulename, pg_get_ruledef(r.oid)
FROM dashboard d JOIN pg_rewrite r ON ev_class = d.oid
UNION ALL SELECT 'inheritance', inhparent::regclass || ' by ' || inhrelid::regclass, ''
FROM dashboard d JOIN pg_inherits ON d.oid IN (inhparent, inhrelid)
UNION ALL SELECT 'second row of', 'audit_head', '' WHERE (SELECT count(*) FROM audit_head) > 1
-- What runs when a process writes or reads another table of the dashboard may turn its session to another ledger. So may an
-- expression that calls a function of somebody's, or one of PostgreSQL's that sets a session or runs a text.
UNION ALL SELECT 'trigger', tgname || ' of ' || relname, pg_get_triggerdef(t.oid) || chr(1) || prosrc
    || tgenabled::text || coalesce(proconfig::text, '') || prosecdef::text
FROM others JOIN pg_trigger t ON tgrelid = others.oid AND NOT tgisinternal JOIN pg_proc p ON p.oid = tgfoid
UNION ALL SELECT 'foreign key', conrelid::regclass || ' ' || pg_get_constraintdef(c.oid), ''
FROM others JOIN pg_constraint c ON confrelid = others.oid AND NOT EXISTS (SELECT FROM dashboard d WHERE d.oid = conrelid)
UNION ALL SELECT 'domain', relname || '.' || attname, concat(typname, ' ',
    (SELECT string_agg(pg_get_constraintdef(c.oid), ' ') FROM pg_constraint c WHERE contypid = ty.oid)) FROM others JOIN pg_attribute ON attrelid = others.oid
JOIN pg_type ty ON ty.oid = atttypid AND typtype = 'd'
UNION ALL SELECT 'expression', relname || '.' || name, definition FROM others JOIN (
    SELECT conrelid AS place, 'pg_constraint'::regclass AS class, oid AS number, conname::text AS name,
        pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contype = 'c'
    UNION ALL SELECT adrelid, 'pg_attrdef'::regclass, d.oid, attname, pg_get_expr(adbin, adrelid)
    FROM pg_attrdef d JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    UNION ALL SELECT indrelid, 'pg_class'::regclass, indexrelid, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
) expressions ON place = others.oid WHERE definition ~ 'set_config|_to_xml|ts_stat|ts_rewrite' OR EXISTS (
    SELECT FROM pg_depend d WHERE classid = class AND objid = number AND refobjid >= 16384
    AND refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_type'::regclass)
    AND NOT EXISTS (SELECT FROM extensions e WHERE e.class = refclassid AND e.number = refobjid))
-- A function or operator of another schema may answer in the place of PostgreSQL's own.
UNION ALL SELECT 'function', p.oid::regprocedure::text, prosrc
FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname = ANY(current_schemas(false)) AND nspname <> 'pg_catalog'
    AND NOT EXISTS (SELECT FROM extensions e WHERE e.class = 'pg_proc'::regclass AND e.number = p.oid)
    AND EXISTS (SELECT FROM pg_proc own WHERE own.proname = p.proname AND own.pronamespace = 'pg_catalog'::regnamespace)
UNION ALL SELECT 'operator', o.oid::regoperator::text, prosrc
FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode JOIN pg_namespace n ON n.oid = oprnamespace
WHERE nspname = ANY(current_schemas(false)) AND nspname <> 'pg_catalog'
    AND NOT EXISTS (SELECT FROM extensions e WHERE e.class = 'pg_operator'::regclass AND e.number = o.oid)
-- What functions and views of somebody's do now: whatever is strange above may use them.
UNION ALL SELECT 'code', '', coalesce(string_agg(code, chr(1) ORDER BY code), '') FROM (
    SELECT concat_ws(' ', p.oid::regprocedure, prosrc, probin, proconfig, prosecdef, prosqlbody) AS code FROM pg_proc p
    WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM ours JOIN pg_trigger ON tgrelid = ours.oid WHERE tgfoid = p.oid)
        AND NOT EXISTS (SELECT FROM extensions e WHERE e.class = 'pg_proc'::regclass AND e.number = p.oid)
    UNION ALL SELECT v.oid::regclass || ' ' || pg_get_viewdef(v.oid) FROM pg_class v WHERE relkind IN ('v', 'm') AND v.oid >= 16384
) others_code
-- So may a cast between two of PostgreSQL's own types; an extension's casts have a type of its own.
UNION ALL SELECT 'cast', format_type(castsource, NULL) || ' to ' || format_type(casttarget, NULL), castfunc::regproc::text || castcontext::text
FROM pg_cast c WHERE c.oid >= 16384 AND castsource < 16384 AND casttarget < 16384
UNION ALL SELECT 'setting', name || ' of ' || holder, '' FROM (
    SELECT split_part(unnest(setconfig), '=', 1) AS name, coalesce(setrole::regrole::text, 'all roles') AS holder
    FROM pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL SELECT name, 'this connection' FROM pg_settings
    WHERE name = 'session_replication_role' AND reset_val <> 'origin'
    UNION ALL SELECT 'search_path', 'this connection' WHERE (
        SELECT nspname FROM unnest(current_schemas(true)) nspname LIMIT 1
    ) <> 'pg_catalog'
) settings WHERE name = 'session_replication_role' OR holder = 'this connection'
"""
SQLITE = """
WITH ours AS (SELECT * FROM sqlite_master WHERE tbl_name IN ({tables}))
SELECT 'table', name, type FROM ours WHERE type IN ('table', 'view')
UNION ALL SELECT 'table', name, sql FROM sqlite_master WHERE name = 'audit_event_name'
UNION ALL SELECT 'body', name, sql FROM ours WHERE type = 'table'
UNION ALL SELECT 'index', CASE WHEN ours.name = 'audit_event' THEN list.name ELSE 'of ' || ours.name || ': ' || (
        SELECT group_concat(one.name, ', ') FROM pragma_index_xinfo(list.name) one WHERE one."key") END,
    (SELECT group_concat(one.name || CASE WHEN "desc" THEN ' desc' ELSE '' END
        || CASE WHEN coll = 'BINARY' THEN '' ELSE ' ' || coll END, ', ')
    FROM pragma_index_xinfo(list.name) one WHERE one."key")
    || CASE WHEN "unique" THEN ' unique' ELSE '' END || CASE WHEN partial
    THEN (SELECT substr(sql, instr(sql, ' WHERE ')) FROM sqlite_master one WHERE one.name = list.name) ELSE '' END
FROM ours, pragma_index_list(ours.name) list WHERE ours.type = 'table'
UNION ALL SELECT 'second row of', 'audit_head', '' WHERE (SELECT count(*) FROM audit_head) > 1
UNION ALL SELECT 'trigger', name, sql FROM ours WHERE type = 'trigger'
"""
TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[(),]|[^\s(),'"]+|['"]""")


def present(tables: Collection[str], others: Collection[str]) -> Things:
    """What the database has around these tables, and what of the others could mislead who reads these. One query."""
    is_sqlite = connection.vendor == "sqlite"
    query = SQLITE.format(tables=", ".join(f"'{name}'" for name in tables)) if is_sqlite else POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(query, [] if is_sqlite else {"tables": list(tables), "others": list(others)})
        rows = cursor.fetchall()
    things: Things = {}
    for kind, name, definition in rows:
        if kind == "body":
            things |= parts_of(name, definition)
        elif (
            is_sqlite
            or kind not in {"constraint", "index"}
            or (kind == "index" and re.search(rf"[. ]{LEDGER} USING", definition))
        ):
            things[kind, name] = definition or ""  # an index of a constraint has none
        else:
            is_off = definition.endswith(" off")
            words = _without_name(definition.removesuffix(" off")) if kind == "index" else name
            things[kind, plain(words)] = "off" if is_off else ""
    return things


def _without_name(index: str) -> str:
    """A definition of an index, without its name and its table's schema."""
    return re.sub(r"^CREATE (UNIQUE )?INDEX \S+ ON (?:\S+\.)?(\S+) USING", r"\1of \2 USING", index)


def plain(words: str) -> str:
    """A constraint or an index without the brackets and quotes that PostgreSQL adds."""
    return re.sub(r'[()"]', "", words)


def parts_of(table: str, sql: str) -> Things:
    """The columns and constraints of a CREATE TABLE. The order of a column's clauses means nothing: a column that was
    added later has another one."""
    things: Things = {}
    for tokens in _split(sql):
        first, *clauses = tokens or ["?"]
        if first == "constraint":
            things["constraint", f"{table} {' '.join(clauses)}"] = ""
        elif first:
            things["column", f"{table}.{first}"] = " ".join(sorted(clauses))
        else:
            things["option", f"{table} {' '.join(clauses)}"] = ""
    return things


def _split(sql: str) -> Iterator[list[str]]:
    """Each part between a table's brackets, and what follows them after an empty word, as clauses: what is in
    brackets belongs to the word before, and a default's value to its word."""
    depth, part = 0, list[str]()
    for mark in TOKEN.findall(sql):
        word = mark if mark[0] == "'" else mark.strip('"').lower()
        if mark == ")" and depth == 1:
            yield part
            depth, part = 0, [""]
        elif mark == "(" and depth == 0:
            depth, part = 1, []
        elif mark in "()" or depth > 1:
            depth += (mark == "(") - (mark == ")")
            part[-1:] = [" ".join([*part[-1:], word])]
        elif mark == "," and depth == 1:
            yield part
            part = []
        elif part[-1:] == ["default"]:
            part[-1] = f"default {word}"
        else:
            part.append(word)
    if part != [""]:
        yield part
