from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0010_findings_can_be_closed")]

    operations = [
        migrations.AddField(
            "DenialWindow",
            "outcome",
            models.CharField(db_default="denied", default="denied", max_length=16),
        ),
    ]
