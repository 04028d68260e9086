"""Letters that are on their way, each to one address."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0003_teams_without_an_admin")]

    operations = [
        migrations.CreateModel(
            "Letter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("about", models.CharField(max_length=36)),
                ("address", models.EmailField(max_length=254)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["due_at", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "about", "address"), name="letter_once_an_address"
                    ),
                ],
            },
        ),
    ]
