from django.db import migrations

from hyperclusters.audit import triggers


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_indexes_by_time")]

    operations = [migrations.RunPython(triggers.install_next, migrations.RunPython.noop)]
