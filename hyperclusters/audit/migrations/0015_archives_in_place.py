"""Checks of archives: what somebody asked for, and what the last one found."""

from typing import ClassVar

from django.db import migrations, models

from hyperclusters.audit import clock


class Migration(migrations.Migration):
    dependencies: ClassVar = [("audit", "0014_alert_settings")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="SegmentCheck",
            fields=[
                ("run_after", models.DateTimeField(db_column="due_at", default=clock.now)),
                ("lease_holder", models.CharField(blank=True, max_length=32)),
                (
                    "lease_expires_at",
                    models.DateTimeField(blank=True, db_column="held_until", null=True),
                ),
                ("first", models.BigIntegerField(primary_key=True, serialize=False)),
                ("requested_at", models.DateTimeField(null=True)),
                ("count", models.BigIntegerField(default=0)),
                ("at", models.DateTimeField(null=True)),
                ("findings", models.JSONField(default=list)),
                ("seal_key_id", models.CharField(blank=True, max_length=16)),
                ("seal", models.CharField(blank=True, max_length=64)),
            ],
        )
    ]
