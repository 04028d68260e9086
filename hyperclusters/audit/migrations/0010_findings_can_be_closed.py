from __future__ import annotations

from typing import Any

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Now


def key_id(table: str, column: str, model: str) -> migrations.RunSQL:
    """A column for a key's ID. Not AddField: on SQLite that writes the table anew, and with it loses its triggers."""
    field = models.CharField(blank=True, default="", db_default="", max_length=16)
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD COLUMN {column} varchar(16) NOT NULL DEFAULT ''",
        f"ALTER TABLE {table} DROP COLUMN {column}",
        state_operations=[migrations.AddField(model, column, field)],
    )


def text(length: int) -> models.Field[Any, Any]:
    return models.CharField(default="", db_default="", max_length=length)


def verify_all_soon(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Verifications of the release before have no seal and do not count: the next worker verifies everything."""
    duty = apps.get_model("audit", "Duty")  # type: ignore[misc]  # the name that the model had then
    duty.objects.filter(name__startswith="verify ").update(due_at=Now())


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_next_number")]

    operations = [
        key_id("audit_head", "key_id", "Head"),
        key_id("audit_segment", "end_key_id", "Segment"),
        migrations.AddField("Segment", "first_at", models.DateTimeField(null=True)),
        migrations.AddField("Segment", "last_at", models.DateTimeField(null=True)),
        migrations.AddField("Segment", "acknowledged", models.JSONField(null=True)),
        migrations.AddField(
            "AnchorFile", "host", models.CharField(blank=True, default="", db_default="", max_length=128)
        ),
        migrations.AddField("Verification", "chain_key_id", text(16)),
        migrations.AddField("Verification", "seal_key_id", text(16)),
        migrations.AddField("Verification", "seal", text(64)),
        migrations.RunPython(verify_all_soon, migrations.RunPython.noop),
    ]
