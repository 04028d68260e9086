"""Triggers on both engines that refuse to change or delete what the ledger holds.

Each group belongs to one migration; a later migration that replaces a group drops it and creates it again on the way
back.
"""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from .search import NAME_TRIGGER, NAMED_SQL

MESSAGE = "audit events are append-only"
HEAD_MESSAGE = "the end of the audit chain only moves forward"
NEXT_MESSAGE = "audit events are append-only: each has the number after the last"
SEGMENT_MESSAGE = "records of audit archives are append-only"

Triggers = dict[str, tuple[str, str, str]]  # name → table, when (and at which condition), message

# A moved event is covered by the record of its archive: that is the one deletion there is. A record that was put there
# to delete events behind our back does not carry our seal, and the next verification says so.
IS_ARCHIVED = "EXISTS (SELECT 1 FROM audit_segment WHERE first <= OLD.seq AND OLD.seq <= last)"

# A new event comes after the recorded end, which moves once all of a transaction's are there, and after another event.
FOLLOWS = (
    "(NEW.seq > (SELECT seq FROM audit_head) AND (NEW.seq = (SELECT seq + 1 FROM audit_head) "
    "OR EXISTS (SELECT 1 FROM audit_event WHERE seq = NEW.seq - 1)))"
)

SQLITE: dict[str, Triggers] = {
    "events": {
        "audit_event_no_update": ("audit_event", "BEFORE UPDATE ON audit_event", MESSAGE),
        "audit_event_no_delete": ("audit_event", "BEFORE DELETE ON audit_event", MESSAGE),
        # INSERT OR REPLACE deletes without a delete trigger unless the connection sets recursive_triggers.
        "audit_event_no_replace": (
            "audit_event",
            "BEFORE INSERT ON audit_event WHEN EXISTS (SELECT 1 FROM audit_event WHERE seq = NEW.seq)",
            MESSAGE,
        ),
    },
    "head": {
        "audit_head_forward": (
            "audit_head",
            "BEFORE UPDATE ON audit_head WHEN NEW.seq <= OLD.seq OR NEW.id <> OLD.id",
            HEAD_MESSAGE,
        ),
        "audit_head_no_delete": ("audit_head", "BEFORE DELETE ON audit_head", HEAD_MESSAGE),
        "audit_head_no_replace": (
            "audit_head",
            "BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head)",
            HEAD_MESSAGE,
        ),
        "audit_event_next": (
            "audit_event",
            f"BEFORE INSERT ON audit_event WHEN NOT {FOLLOWS}",
            NEXT_MESSAGE,
        ),
    },
    "keeping": {
        "audit_event_only_archived": (
            "audit_event",
            f"BEFORE DELETE ON audit_event WHEN NOT {IS_ARCHIVED}",
            MESSAGE,
        ),
        "audit_segment_no_update": ("audit_segment", "BEFORE UPDATE ON audit_segment", SEGMENT_MESSAGE),
        "audit_segment_no_delete": ("audit_segment", "BEFORE DELETE ON audit_segment", SEGMENT_MESSAGE),
        "audit_segment_no_replace": (
            "audit_segment",
            "BEFORE INSERT ON audit_segment WHEN EXISTS (SELECT 1 FROM audit_segment WHERE first = NEW.first)",
            SEGMENT_MESSAGE,
        ),
    },
}
EACH, ONCE = "FOR EACH ROW", "FOR EACH STATEMENT"
POSTGRES: dict[str, Triggers] = {
    "events": {
        "audit_event_no_change": ("audit_event", f"BEFORE DELETE OR UPDATE ON audit_event {EACH}", MESSAGE),
        "audit_event_no_truncate": ("audit_event", f"BEFORE TRUNCATE ON audit_event {ONCE}", MESSAGE),
    },
    "head": {
        "audit_head_forward": (
            "audit_head",
            f"BEFORE UPDATE ON audit_head {EACH} WHEN (NEW.seq <= OLD.seq OR NEW.id <> OLD.id)",
            HEAD_MESSAGE,
        ),
        "audit_head_no_delete": (
            "audit_head",
            f"BEFORE DELETE OR TRUNCATE ON audit_head {ONCE}",
            HEAD_MESSAGE,
        ),
        "audit_event_next": ("audit_event", f"BEFORE INSERT ON audit_event {EACH}", NEXT_MESSAGE),
    },
    "keeping": {
        "audit_event_no_update": ("audit_event", f"BEFORE UPDATE ON audit_event {EACH}", MESSAGE),
        "audit_event_only_archived": ("audit_event", f"BEFORE DELETE ON audit_event {EACH}", MESSAGE),
        "audit_segment_no_change": (
            "audit_segment",
            f"BEFORE DELETE OR UPDATE ON audit_segment {EACH}",
            SEGMENT_MESSAGE,
        ),
        "audit_segment_no_truncate": (
            "audit_segment",
            f"BEFORE TRUNCATE ON audit_segment {ONCE}",
            SEGMENT_MESSAGE,
        ),
    },
}
OLD_TRIGGERS = {
    "sqlite": "audit_event_no_delete",
    "postgresql": "audit_event_no_change",
}  # by the group "keeping"
# PostgreSQL: what a function lets pass before it refuses. A row's own trigger sees the rows before it.
UNLESS = {
    "audit_event_only_archived": f"IF {IS_ARCHIVED} THEN RETURN OLD; END IF; ",
    "audit_event_next": f"IF NEW.seq > 0 AND {FOLLOWS} THEN RETURN NEW; END IF; ",
}


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Nothing changes or deletes an event."""
    _make(schema_editor, "events")


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Remove them."""
    _drop(schema_editor, "events")


def install_head(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Nothing moves the chain's end back or removes it."""
    _make(schema_editor, "head")


def remove_head(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Remove them."""
    _drop(schema_editor, "head")


def install_next(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """An event has the number after the last. The group "head" includes this trigger now; older databases get it
    here."""
    name, vendor = "audit_event_next", schema_editor.connection.vendor
    catalogue = ("sqlite_master", "name") if vendor == "sqlite" else ("pg_trigger", "tgname")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM {} WHERE {} = '{}'".format(*catalogue, name))  # noqa: S608 -- our own words
        is_there = cursor.fetchone()
    if not is_there:
        _make_one(schema_editor, name, *(POSTGRES if vendor == "postgresql" else SQLITE)["head"][name])


def install_keeping(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Events that an archive's record covers may be deleted, and nothing changes such a record."""
    name = OLD_TRIGGERS[schema_editor.connection.vendor]
    _drop_one(schema_editor, name, _groups(schema_editor)["events"][name][0])
    _make(schema_editor, "keeping")


def remove_keeping(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Remove them: then no event may be deleted."""
    name = OLD_TRIGGERS[schema_editor.connection.vendor]
    _drop(schema_editor, "keeping")
    _make_one(schema_editor, name, *_groups(schema_editor)["events"][name])


def _groups(editor: BaseDatabaseSchemaEditor) -> dict[str, Triggers]:
    return POSTGRES if editor.connection.vendor == "postgresql" else SQLITE


def _make(editor: BaseDatabaseSchemaEditor, group: str) -> None:
    for name, trigger in _groups(editor)[group].items():
        _make_one(editor, name, *trigger)


def _drop(editor: BaseDatabaseSchemaEditor, group: str) -> None:
    for name, (table, _, _) in _groups(editor)[group].items():
        _drop_one(editor, name, table)


def _make_one(editor: BaseDatabaseSchemaEditor, name: str, table: str, when: str, message: str) -> None:
    del table
    if editor.connection.vendor == "sqlite":
        editor.execute(_sqlite(name, when, message))
        return
    editor.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${_body(name, message)}$$")
    editor.execute(_postgresql(name, when))


def _sqlite(name: str, when: str, message: str) -> str:
    return f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _postgresql(name: str, when: str) -> str:
    return f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()"


def _body(name: str, message: str) -> str:
    return f" BEGIN {UNLESS.get(name, '')}RAISE EXCEPTION '{message}'; END "


def _drop_one(editor: BaseDatabaseSchemaEditor, name: str, table: str) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute(f"DROP TRIGGER {name}")
        return
    editor.execute(f"DROP TRIGGER {name} ON {table}")
    editor.execute(f"DROP FUNCTION {name}()")


def definitions(vendor: str) -> dict[str, str]:
    """Every trigger that the migrations leave, by name. PostgreSQL: a mark separates it from its function's body."""
    groups = (SQLITE if vendor == "sqlite" else POSTGRES).values()
    definitions = {NAME_TRIGGER: NAMED_SQL} if vendor == "sqlite" else {}
    for name, (_, when, message) in (each for group in groups for each in group.items()):
        definitions[name] = (
            _sqlite(name, when, message)
            if vendor == "sqlite"
            else f"{_postgresql(name, when)}{chr(1)}{_body(name, message)}"
        )
    del definitions[OLD_TRIGGERS[vendor]]
    return definitions
