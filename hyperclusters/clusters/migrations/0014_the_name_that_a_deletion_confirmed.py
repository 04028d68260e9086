from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0011_idempotent_deletions"),
    ]

    operations = [
        migrations.AddField(
            model_name="deletion",
            name="confirmed_name",
            field=models.CharField(blank=True, db_default="", max_length=255),
        ),
    ]
