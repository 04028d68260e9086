"""Finds events by a part of what they say, at a cost that does not depend on the number of events.

Searched are names, IDs, request IDs, the reason and the cloud's error code. Reads of the audit are not: a search would
find itself. PostgreSQL: a trigram index. SQLite: an FTS5 table with the trigram tokenizer, filled by a trigger in the
event's own transaction; events are append-only, so it is never updated.
"""

import re

from django.apps.registry import Apps
from django.db import connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL
from django.db.utils import ProgrammingError

LEAST = 3  # characters: a trigram
COLUMNS = ("object_name", "object_id", "person_name", "request_id", "upstream_request_id", "reason")
PATHS = (("response", "code"), ("after", "cluster_id"), ("after", "cluster", "id"))  # in documents
SEARCH_CONDITION = "action <> 'audit:read'"
INDEX = "event_text_trigrams"
FORMER_INDEX = "event_name_trigrams"
TABLE_SQL = "CREATE VIRTUAL TABLE audit_event_name USING fts5(words, content='', tokenize='trigram')"
FORGET = "INSERT INTO audit_event_name (audit_event_name) VALUES ('delete-all')"
NAME_TRIGGER = "audit_event_named"  # SQLite's trigger that fills the search
_VOCABULARIES = {"audit_search": ("main", "audit_event_name"), "audit_search_again": ("temp", "audit_names")}

_NO_EXTENSION = (
    "The search needs PostgreSQL's extension pg_trgm, and this database role may not create it. Have somebody who "
    "may do so run `CREATE EXTENSION pg_trgm;` in this database (Debian: package postgresql-contrib), and migrate again."
)


def _postgresql_words() -> str:
    """The searched text of an event, one part a line. Only immutable functions: it is indexed."""
    documents = [
        "coalesce({} ->> '{}', '')".format(" -> ".join([column, *(f"'{key}'" for key in keys)]), last)
        for column, *keys, last in PATHS
    ]
    return " || chr(10) || ".join([*COLUMNS, *documents])


def sqlite_words(row: str = "") -> str:
    """The same in SQLite. `row`: "NEW." in a trigger. A document that is no JSON has no words."""
    documents = [
        f"coalesce(CASE WHEN json_valid({row}{column}) THEN json_extract({row}{column}, '$.{'.'.join(keys)}') END, '')"
        for column, *keys in PATHS
    ]
    return " || char(10) || ".join([*(f"{row}{name}" for name in COLUMNS), *documents])


WORDS = _postgresql_words()
# A short pending list: every search reads all of it.
INDEX_SQL = (
    f"CREATE INDEX {INDEX} ON audit_event USING gin (UPPER({WORDS}) gin_trgm_ops) "
    f"WITH (gin_pending_list_limit = 256) WHERE {SEARCH_CONDITION}"
)
# PostgreSQL (15) plans by no statistics of an index with a condition: it would expect every text to be rare, and read
# all events that say a common one instead of the newest few.
STATISTICS = "event_words"
STATISTICS_SQL = f"CREATE STATISTICS IF NOT EXISTS {STATISTICS} ON (UPPER({WORDS})) FROM audit_event"
NAMED_SQL = (
    f"CREATE TRIGGER audit_event_named AFTER INSERT ON audit_event WHEN NEW.{SEARCH_CONDITION} "  # noqa: S608 -- our own words
    f"BEGIN INSERT INTO audit_event_name (rowid, words) VALUES (NEW.seq, {sqlite_words('NEW.')}); END"
)
FILL_SQL = f"INSERT INTO audit_event_name (rowid, words) SELECT seq, {sqlite_words()} FROM audit_event WHERE {SEARCH_CONDITION}"  # noqa: S608 -- our own words


def contains(text: str) -> Q:
    """The event says this text, in any case; a text shorter than a trigram is a whole name."""
    if len(text) < LEAST:
        return Q(object_name=text) | Q(person_name=text)
    if connection.vendor == "sqlite":
        phrase = '"' + text.replace('"', '""') + '"'
        match = "SELECT rowid FROM audit_event_name WHERE audit_event_name MATCH %s"
        return Q(seq__in=RawSQL(match, [phrase]))  # noqa: S611 -- the text is a parameter
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
    sql = f"UPPER({WORDS}) LIKE UPPER(%s) AND {SEARCH_CONDITION}"
    return Q(RawSQL(sql, [pattern], BooleanField()))  # noqa: S611 -- the text is a parameter


def wrong_entries(first: int, last: int, limit: int) -> list[int]:
    """SQLite: the events from `first` to `last` that the search has under other words, or not at all.

    Indexes the words once more in a temporary table and compares every entry.
    """
    words = (
        f"SELECT seq, {sqlite_words()} FROM audit_event WHERE {SEARCH_CONDITION} AND seq BETWEEN %s AND %s"  # noqa: S608 -- our own words
    )
    entries = "SELECT term, doc, offset FROM temp.{} WHERE doc BETWEEN %s AND %s"
    both = [entries.format(name) for name in ("audit_search", "audit_search_again")]
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                "CREATE VIRTUAL TABLE temp.audit_names USING fts5(words, content='', tokenize='trigram')"
            )
            cursor.execute(f"INSERT INTO temp.audit_names (rowid, words) {words}", [first, last])
            for name, (schema, table) in _VOCABULARIES.items():
                cursor.execute(
                    f"CREATE VIRTUAL TABLE temp.{name} USING fts5vocab('{schema}', '{table}', 'instance')"
                )
            cursor.execute(
                f"SELECT doc FROM ({both[0]} EXCEPT {both[1]}) UNION SELECT doc FROM ({both[1]} EXCEPT {both[0]}) "  # noqa: S608 -- our own words
                "ORDER BY doc LIMIT %s",
                [first, last] * 4 + [limit],
            )
            return [seq for (seq,) in cursor.fetchall()]
        finally:
            for name in (*_VOCABULARIES, "audit_names"):
                cursor.execute(f"DROP TABLE IF EXISTS temp.{name}")


def is_findable() -> bool:
    """SQLite: whether a search finds as many events by each trigram as the index has for it. What leads a search to its
    page of the index is stored by itself, and `wrong_entries` reads past it."""
    hits = "SELECT count(*) FROM audit_event_name WHERE audit_event_name MATCH '\"' || replace(term, '\"', '\"\"') || '\"'"
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                "CREATE VIRTUAL TABLE temp.audit_terms USING fts5vocab('main', 'audit_event_name', 'row')"
            )
            cursor.execute(f"SELECT 1 FROM temp.audit_terms WHERE doc <> ({hits}) LIMIT 1")  # noqa: S608 -- our own words
            return cursor.fetchone() is None
        finally:
            cursor.execute("DROP TABLE IF EXISTS temp.audit_terms")


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Create the index (a migration's forward step). Raises RuntimeError as `create_extension`."""
    if schema_editor.connection.vendor == "sqlite":
        for statement in (TABLE_SQL, FILL_SQL, NAMED_SQL):
            schema_editor.execute(statement)
        return
    create_extension(schema_editor)
    schema_editor.execute(INDEX_SQL)


def create_extension(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What indexes parts of words in PostgreSQL. Raises RuntimeError, with what to do, if pg_trgm is not available."""
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except ProgrammingError as error:
        raise RuntimeError(_NO_EXTENSION) from error


def replace(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the index again with the words of this release, in the place of the one on names alone. On PostgreSQL
    the ledger is written to meanwhile."""
    if schema_editor.connection.vendor == "sqlite":
        with transaction.atomic(using=schema_editor.connection.alias):
            remove(apps, schema_editor)
            install(apps, schema_editor)
        return
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    schema_editor.execute(INDEX_SQL.replace("INDEX", "INDEX CONCURRENTLY", 1))
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {FORMER_INDEX}")


def install_statistics(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """PostgreSQL: keep statistics of the words. The ledger is written to meanwhile."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(STATISTICS_SQL)
        schema_editor.execute("ANALYZE audit_event")


def remove_statistics(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Keep none any more."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP STATISTICS IF EXISTS {STATISTICS}")


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Remove the index. The extension stays: others may use it."""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER audit_event_named")
        schema_editor.execute("DROP TABLE audit_event_name")
        return
    schema_editor.execute(f"DROP INDEX IF EXISTS {INDEX}")
