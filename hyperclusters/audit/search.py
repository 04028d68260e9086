"""Finds events by a part of their object's name, at a cost that does not depend on the number of events.

PostgreSQL: a trigram index. SQLite: an FTS5 table with the trigram tokenizer, filled by a trigger in the event's own
transaction; events are append-only, so it is never updated.
"""

from django.apps.registry import Apps
from django.db import connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.utils import ProgrammingError

LEAST = 3  # characters: a trigram
TABLE_SQL = "CREATE VIRTUAL TABLE audit_event_name USING fts5(object_name, content='', tokenize='trigram')"
# A short pending list: every search reads all of it.
INDEX_SQL = (
    "CREATE INDEX event_name_trigrams ON audit_event USING gin (UPPER(object_name::text) gin_trgm_ops) "
    "WITH (gin_pending_list_limit = 256)"
)
FORGET = "INSERT INTO audit_event_name (audit_event_name) VALUES ('delete-all')"
NAMED = "audit_event_named"  # SQLite's trigger that fills the search
NAMED_SQL = (
    "CREATE TRIGGER audit_event_named AFTER INSERT ON audit_event WHEN NEW.object_name <> '' "
    "BEGIN INSERT INTO audit_event_name (rowid, object_name) VALUES (NEW.seq, NEW.object_name); END"
)
_VOCABULARIES = {"audit_search": ("main", "audit_event_name"), "audit_search_again": ("temp", "audit_names")}

_NO_EXTENSION = (
    "The audit's search needs PostgreSQL's extension pg_trgm, and this database role may not create it. Have somebody who "
    "may do so run `CREATE EXTENSION pg_trgm;` in this database (Debian: package postgresql-contrib), and migrate again."
)


def named_like(text: str) -> Q:
    """The object's name contains this text, in any case; a text shorter than a trigram is the whole name."""
    if len(text) < LEAST:
        return Q(object_name=text)
    if connection.vendor != "sqlite":
        return Q(object_name__icontains=text)
    phrase = '"' + text.replace('"', '""') + '"'
    match = "SELECT rowid FROM audit_event_name WHERE audit_event_name MATCH %s"
    return Q(seq__in=RawSQL(match, [phrase]))  # noqa: S611 -- the text is a parameter


def differing(first: int, last: int, limit: int) -> list[int]:
    """SQLite: the events from `first` to `last` that the search has under another name, or not at all.

    Indexes the names once more in a temporary table and compares every entry: 4 s of CPU for 100,000 events.
    """
    names = "SELECT seq, object_name FROM audit_event WHERE object_name <> '' AND seq BETWEEN %s AND %s"
    entries = "SELECT term, doc, offset FROM temp.{} WHERE doc BETWEEN %s AND %s"
    both = [entries.format(name) for name in ("audit_search", "audit_search_again")]
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                "CREATE VIRTUAL TABLE temp.audit_names USING fts5(object_name, content='', tokenize='trigram')"
            )
            cursor.execute(f"INSERT INTO temp.audit_names (rowid, object_name) {names}", [first, last])
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


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Create the index (a migration's forward step). Raises RuntimeError, with what to do, if pg_trgm is not
    available."""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(TABLE_SQL)
        schema_editor.execute(
            "INSERT INTO audit_event_name (rowid, object_name) SELECT seq, object_name FROM audit_event "
            "WHERE object_name <> ''"
        )
        schema_editor.execute(NAMED_SQL)
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except ProgrammingError as error:
        raise RuntimeError(_NO_EXTENSION) from error
    schema_editor.execute(INDEX_SQL)


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Remove the index. The extension stays: others may use it."""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER audit_event_named")
        schema_editor.execute("DROP TABLE audit_event_name")
        return
    schema_editor.execute("DROP INDEX event_name_trigrams")
