"""Mails are leased as all work is, and fields have the field's names. Tables and columns keep theirs, so that replicas of
the release before go on."""

from typing import ClassVar

from django.db import migrations, models

from hyperclusters.audit import clock


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0006_one_person_an_address")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterModelTable("letter", "access_letter"),
                migrations.RenameModel("Letter", "OutgoingMail"),
                migrations.AlterField(
                    "outgoingmail", "due_at", models.DateTimeField(default=clock.now, db_column="due_at")
                ),
                migrations.RenameField("outgoingmail", "due_at", "run_after"),
                migrations.AlterModelOptions("outgoingmail", {"ordering": ["run_after", "pk"]}),
                migrations.AlterField(
                    "user",
                    "session_round",
                    models.PositiveIntegerField(default=0, db_column="session_round"),
                ),
                migrations.RenameField("user", "session_round", "session_version"),
            ]
        ),
        migrations.AddField(
            "outgoingmail",
            "lease_holder",
            models.CharField(blank=True, db_default="", max_length=32),
        ),
        migrations.AddField(
            "outgoingmail",
            "lease_expires_at",
            models.DateTimeField(blank=True, db_column="held_until", null=True),
        ),
    ]
