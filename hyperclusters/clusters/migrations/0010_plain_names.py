"""Models and fields have the field's names. Tables and columns keep theirs, so that replicas of the release before go on."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("clusters", "0009_one_lease")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterModelTable("source", "clusters_source"),
                migrations.RenameModel("Source", "ClusterListing"),
                migrations.AlterModelTable("calltally", "clusters_calltally"),
                migrations.RenameModel("CallTally", "CallCounter"),
                *(
                    operation
                    for model in ("creation", "deletion")
                    for operation in (
                        migrations.AlterField(
                            model,
                            "asked_in",
                            models.CharField(blank=True, db_column="asked_in", db_default="", max_length=64),
                        ),
                        migrations.RenameField(model, "asked_in", "request_id"),
                        migrations.AlterField(
                            model,
                            "horizon_at",
                            models.DateTimeField(blank=True, db_column="horizon_at", null=True),
                        ),
                        migrations.RenameField(model, "horizon_at", "not_created_after"),
                    )
                ),
                migrations.AlterField(
                    "connectiontest",
                    "asked_in",
                    models.CharField(blank=True, db_column="asked_in", max_length=64),
                ),
                migrations.RenameField("connectiontest", "asked_in", "request_id"),
            ]
        ),
    ]
