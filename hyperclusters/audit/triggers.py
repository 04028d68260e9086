"""The database's own refusal to change or delete an audit event, for both engines."""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MESSAGE = "audit events are append-only"

SQLITE = {
    "audit_event_no_update": "BEFORE UPDATE ON audit_event",
    "audit_event_no_delete": "BEFORE DELETE ON audit_event",
    # INSERT OR REPLACE deletes without a delete trigger unless the connection sets recursive_triggers.
    "audit_event_no_replace": (
        "BEFORE INSERT ON audit_event WHEN EXISTS (SELECT 1 FROM audit_event WHERE seq = NEW.seq)"
    ),
}


HEAD_MESSAGE = "the end of the audit chain only moves forward"
HEAD_SQLITE = {
    "audit_head_forward": "BEFORE UPDATE ON audit_head WHEN NEW.seq <= OLD.seq",
    "audit_head_no_delete": "BEFORE DELETE ON audit_head",
}


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Make the triggers (a migration's forward step)."""
    if schema_editor.connection.vendor == "sqlite":
        for name, when in SQLITE.items():
            schema_editor.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END")
        return
    schema_editor.execute(
        "CREATE FUNCTION audit_event_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{MESSAGE}'; END $$"
    )
    schema_editor.execute(
        "CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION audit_event_append_only()"
    )
    schema_editor.execute(
        "CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_append_only()"
    )


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Take them away again (a migration's backward step, and between tests that must empty the tables)."""
    if schema_editor.connection.vendor == "sqlite":
        for name in SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name}")
        return
    schema_editor.execute("DROP TRIGGER audit_event_no_truncate ON audit_event")
    schema_editor.execute("DROP TRIGGER audit_event_no_change ON audit_event")
    schema_editor.execute("DROP FUNCTION audit_event_append_only()")


def install_head(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Keep the chain's end from being moved back or removed."""
    if schema_editor.connection.vendor == "sqlite":
        for name, when in HEAD_SQLITE.items():
            schema_editor.execute(
                f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{HEAD_MESSAGE}'); END"
            )
        return
    schema_editor.execute(
        "CREATE FUNCTION audit_head_forward() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{HEAD_MESSAGE}'; END $$"
    )
    schema_editor.execute(
        "CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head "
        "FOR EACH ROW WHEN (NEW.seq <= OLD.seq) EXECUTE FUNCTION audit_head_forward()"
    )
    schema_editor.execute(
        "CREATE TRIGGER audit_head_no_delete BEFORE DELETE OR TRUNCATE ON audit_head "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_head_forward()"
    )


def remove_head(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Take that away again."""
    if schema_editor.connection.vendor == "sqlite":
        for name in HEAD_SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name}")
        return
    schema_editor.execute("DROP TRIGGER audit_head_no_delete ON audit_head")
    schema_editor.execute("DROP TRIGGER audit_head_forward ON audit_head")
    schema_editor.execute("DROP FUNCTION audit_head_forward()")
