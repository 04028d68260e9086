from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0013_owners_and_locks"),
    ]

    operations = [
        migrations.AddField(
            model_name="deletion",
            name="confirmed_name",
            field=models.CharField(blank=True, db_default="", max_length=255),
        ),
    ]
