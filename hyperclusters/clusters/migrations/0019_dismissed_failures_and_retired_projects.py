from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("clusters", "0018_monthly_reports")]

    operations = [
        migrations.AddField(
            model_name="creation", name="dismissed_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="project", name="retired_at", field=models.DateTimeField(blank=True, null=True)
        ),
    ]
