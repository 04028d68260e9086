"""From when on nobody decides in a team, and that it was told."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0002_teams_grant_access")]

    operations = [
        migrations.AddField("team", "unled_at", models.DateTimeField(null=True, blank=True, editable=False)),
        migrations.AddField(
            "team", "unled_told_at", models.DateTimeField(null=True, blank=True, editable=False)
        ),
    ]
