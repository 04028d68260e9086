"""One way to lease a row, and the field's own words. Columns keep their names, so that replicas of the release before go on."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models

from hyperclusters.audit import clock


def moved(
    model: str, old: str, new: str, field: models.Field[Any, Any]
) -> list[migrations.operations.base.Operation]:
    """The field under its new name, over the column that it has."""
    return [migrations.AlterField(model, old, field), migrations.RenameField(model, old, new)]


def run_after(column: str) -> models.Field[Any, Any]:
    return models.DateTimeField(default=clock.now, db_column=column)


def lease_expires_at(column: str) -> models.Field[Any, Any]:
    return models.DateTimeField(blank=True, null=True, db_column=column)


def count(column: str) -> models.Field[Any, Any]:
    return models.PositiveIntegerField(default=0, db_column=column)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("clusters", "0008_clocks_of_processes")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex("creation", "creation_due"),
                migrations.RemoveIndex("deletion", "deletion_due"),
                *(
                    operation
                    for model in ("creation", "deletion")
                    for operation in (
                        *moved(model, "due_at", "run_after", run_after("due_at")),
                        *moved(model, "lease_until", "lease_expires_at", lease_expires_at("lease_until")),
                        *moved(model, "sends", "attempts", count("sends")),
                        *moved(model, "looks", "polls", count("looks")),
                        *moved(
                            model,
                            "answered_sends",
                            "answered_attempts",
                            models.PositiveIntegerField(default=0, db_default=0, db_column="answered_sends"),
                        ),
                    )
                ),
                migrations.AddIndex(
                    "creation", models.Index(fields=["state", "run_after"], name="creation_due")
                ),
                migrations.AddIndex(
                    "deletion", models.Index(fields=["state", "run_after"], name="deletion_due")
                ),
                *moved("source", "due_at", "run_after", run_after("due_at")),
                *moved("source", "held_until", "lease_expires_at", lease_expires_at("held_until")),
                *moved(
                    "source",
                    "holder",
                    "lease_holder",
                    models.CharField(blank=True, max_length=32, db_column="holder"),
                ),
                *moved("connectiontest", "held_until", "run_after", run_after("held_until")),
            ]
        ),
        migrations.AddField(
            "connectiontest", "lease_holder", models.CharField(blank=True, db_default="", max_length=32)
        ),
        migrations.AddField(
            "connectiontest", "lease_expires_at", models.DateTimeField(blank=True, null=True)
        ),
    ]
