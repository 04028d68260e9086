from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0008_service_identities")]

    operations = [
        migrations.AddField(
            model_name="user", name="inbox_read_at", field=models.DateTimeField(blank=True, null=True)
        ),
    ]
