"""Statistics of the words that the search reads, so that a common word costs no more than a rare one."""

from typing import ClassVar

from django.db import migrations

from hyperclusters.audit.search import install_statistics, remove_statistics


class Migration(migrations.Migration):
    dependencies: ClassVar = [("audit", "0015_archives_in_place")]

    operations: ClassVar = [migrations.RunPython(install_statistics, remove_statistics)]
