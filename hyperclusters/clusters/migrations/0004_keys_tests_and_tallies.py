import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0003_review"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="creation",
            name="asked_in",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="deletion",
            name="asked_in",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="project",
            name="key_kind",
            field=models.CharField(
                choices=[
                    ("static", "Access key"),
                    ("temporary", "Temporary access key"),
                    ("machine", "This machine's agency"),
                ],
                db_default="static",
                default="static",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="key_since",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="key_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="sealed_with",
            field=models.CharField(blank=True, db_default="", max_length=16),
        ),
        migrations.AlterField(
            model_name="project",
            name="sealed_credentials",
            field=models.TextField(blank=True),
        ),
        migrations.CreateModel(
            name="CallTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("call", models.CharField(max_length=8)),
                ("result", models.CharField(max_length=24)),
                ("status", models.PositiveSmallIntegerField()),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0)),
                ("within_300ms", models.PositiveBigIntegerField(default=0)),
                ("within_1s", models.PositiveBigIntegerField(default=0)),
                ("within_3s", models.PositiveBigIntegerField(default=0)),
                ("within_10s", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "ordering": ["call", "result", "status"],
                "constraints": [
                    models.UniqueConstraint(fields=("call", "result", "status"), name="call_tally_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ConnectionTest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_in", models.CharField(blank=True, max_length=64)),
                ("held_until", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "diagnosis",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("well", "Connected"),
                            ("clock", "Clocks differ"),
                            ("key", "Key not accepted"),
                            ("denied", "Not permitted"),
                            ("endpoint", "Wrong endpoint"),
                            ("lookup", "Host not found"),
                            ("network", "Not reachable"),
                            ("tls", "No trusted connection"),
                            ("silent", "No answer in time"),
                            ("throttled", "Called too often"),
                            ("stopped", "Calls are stopped"),
                            ("no_key", "No usable key"),
                            ("other", "Unexpected answer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("cause", models.CharField(blank=True, max_length=64)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("message", models.TextField(blank=True)),
                ("upstream_request_id", models.CharField(blank=True, max_length=128)),
                ("seconds", models.FloatField(blank=True, null=True)),
                ("clusters", models.PositiveIntegerField(blank=True, null=True)),
                ("clock_offset", models.DurationField(blank=True, null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tests",
                        to="clusters.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-asked_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=("project",),
                        name="connection_test_one_open",
                    )
                ],
            },
        ),
    ]
