from django.db import migrations, models

from hyperclusters.audit import triggers


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_chain"),
    ]

    operations = [
        migrations.CreateModel(
            name="AnchorFile",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("path", models.CharField(max_length=500)),
                ("lines", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Duty",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("due_at", models.DateTimeField()),
                ("held_until", models.DateTimeField(null=True)),
                ("seq", models.BigIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "verbose_name_plural": "duties",
            },
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("first", models.BigIntegerField(primary_key=True, serialize=False)),
                ("last", models.BigIntegerField(unique=True)),
                ("previous", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("file", models.CharField(max_length=200)),
                ("sha256", models.CharField(max_length=64)),
                ("archived_at", models.DateTimeField()),
                ("key_id", models.CharField(max_length=16)),
                ("seal", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["first"],
            },
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                ("kind", models.CharField(max_length=8, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("seconds", models.FloatField()),
                ("count", models.BigIntegerField()),
                ("seq", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("findings", models.JSONField(default=list)),
            ],
        ),
        migrations.AlterField(
            model_name="event",
            name="action",
            field=models.CharField(
                choices=[
                    ("session:sign-in:succeeded", "signed in"),
                    ("session:sign-in:failed", "failed to sign in"),
                    ("session:sign-out:succeeded", "signed out"),
                    ("access:person:added", "person added"),
                    ("access:team:added", "team added"),
                    ("access:grant:added", "access granted"),
                    ("access:grant:ended", "access ended"),
                    ("access:page:denied", "page denied"),
                    ("audit:read", "audit read"),
                    ("audit:chain:broken", "audit found to be tampered with"),
                    ("audit:chain:intact", "audit found to be whole again"),
                    ("audit:archived", "older audit events moved to an archive"),
                    ("audit:alert:denials", "many denials in a short time"),
                    ("project:connected", "project connected"),
                    ("project:breaker:opened", "calls to the cloud stopped"),
                    ("project:breaker:closed", "calls to the cloud resumed"),
                    ("project:clock:corrected", "clock difference to the cloud noted"),
                    ("cluster:create:requested", "creation requested"),
                    ("cluster:create:refused", "creation refused"),
                    ("cluster:create:denied", "creation denied"),
                    ("cluster:create:delayed", "creation delayed"),
                    ("cluster:create:sending", "creation being sent"),
                    ("cluster:create:not-sent", "creation not carried out"),
                    ("cluster:create:succeeded", "cluster created"),
                    ("cluster:create:failed", "creation failed"),
                    ("cluster:create:unknown", "creation without a clear answer"),
                    ("cluster:create:needs-attention", "creation needs a person's decision"),
                    ("cluster:create:decided", "creation decided by a person"),
                    ("cluster:create:absent", "cluster proved absent"),
                    ("cluster:create:withdrawn", "creation withdrawn"),
                    ("cluster:create:confirmed", "verdict confirmed by later evidence"),
                    ("cluster:create:contradicted", "verdict contradicted by later evidence"),
                    ("cluster:create:overdue", "creation unresolved for too long"),
                    ("cluster:delete:requested", "deletion requested"),
                    ("cluster:delete:refused", "deletion refused"),
                    ("cluster:delete:denied", "deletion denied"),
                    ("cluster:delete:sending", "deletion being sent"),
                    ("cluster:delete:not-sent", "deletion not carried out"),
                    ("cluster:delete:succeeded", "cluster deleted"),
                    ("cluster:delete:failed", "deletion failed"),
                    ("cluster:delete:unknown", "deletion without a clear answer"),
                    ("cluster:seen:outside", "cluster made outside was found"),
                    ("cluster:seen:gone", "cluster is gone from the cloud"),
                    ("cluster:seen:back", "cluster is back in the cloud"),
                    ("cluster:list:refresh-asked", "refresh asked for"),
                    ("cluster:list:failed", "the cloud could not be listed"),
                    ("cluster:list:recovered", "the cloud can be listed again"),
                    ("cluster:list:suspect", "the cloud's list was suddenly empty"),
                ],
                max_length=48,
            ),
        ),
        migrations.RunPython(triggers.install_keeping, triggers.remove_keeping),
    ]
