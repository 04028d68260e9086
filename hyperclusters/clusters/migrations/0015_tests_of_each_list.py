from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0014_the_name_that_a_deletion_confirmed"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectiontest",
            name="lists",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="connectiontest",
            name="diagnosis",
            field=models.CharField(
                blank=True,
                choices=[
                    ("well", "Connected"),
                    ("partly", "Connected in part"),
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
    ]
