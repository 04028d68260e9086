"""Scheduled tasks are leased as all work is, and models have the field's names. Tables and columns keep theirs, so that
replicas of the release before go on."""

from typing import ClassVar

from django.db import migrations, models

from hyperclusters.audit import clock


class Migration(migrations.Migration):
    dependencies: ClassVar = [("audit", "0011_outcomes_of_windows")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterModelTable("head", "audit_head"),
                migrations.RenameModel("Head", "ChainHead"),
                migrations.AlterModelTable("duty", "audit_duty"),
                migrations.RenameModel("Duty", "ScheduledTask"),
                migrations.AlterModelOptions("scheduledtask", {}),
                migrations.AlterField(
                    "scheduledtask", "due_at", models.DateTimeField(default=clock.now, db_column="due_at")
                ),
                migrations.RenameField("scheduledtask", "due_at", "run_after"),
                migrations.AlterField(
                    "scheduledtask",
                    "held_until",
                    models.DateTimeField(blank=True, null=True, db_column="held_until"),
                ),
                migrations.RenameField("scheduledtask", "held_until", "lease_expires_at"),
            ]
        ),
        migrations.AddField(
            "scheduledtask",
            "lease_holder",
            models.CharField(blank=True, db_default="", max_length=32),
        ),
    ]
