"""Which events people caused: by a page, the API or a command, or by work that a worker did for them. The rest is what
workers noticed by themselves, and reads of the audit. Lists leave the rest out unless somebody wants it, and so these
events have indexes of their own: a page costs the same however many others lie between."""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

PEOPLE_SQL = "action <> 'audit:read' AND (person_name > '' OR source <> 'worker')"
INDEXES = {
    "event_people_at": "at, seq",
    "event_people_team_at": "team_id, at, seq",
    "event_people_project_at": "project_name, at, seq",
    "event_people_outcome_at": "outcome, at, seq",
}


def by_people() -> RawSQL:
    """The condition. Written out, not with parameters: SQLite uses an index with a condition only where it reads it."""
    return RawSQL(PEOPLE_SQL, [], BooleanField())  # noqa: S611 -- our own words


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Create the indexes. On PostgreSQL the ledger is written to meanwhile."""
    online = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    for name, columns in INDEXES.items():
        schema_editor.execute(f"DROP INDEX {online} IF EXISTS {name}")
        schema_editor.execute(f"CREATE INDEX {online} {name} ON audit_event ({columns}) WHERE {PEOPLE_SQL}")


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Remove the indexes."""
    for name in INDEXES:
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
