"""People's events have indexes of their own, and a search finds parts of IDs, reasons and codes."""

from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from hyperclusters.audit import people_events, search


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Each index waits for the transactions that run, and takes no lock that stops others."""
    online = schema_editor.connection.vendor == "postgresql"
    if online:
        schema_editor.execute("SET lock_timeout = 0")
    people_events.install(apps, schema_editor)
    search.replace(apps, schema_editor)
    if online:
        schema_editor.execute("RESET lock_timeout")


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("audit", "0012_one_lease")]

    operations: ClassVar = [migrations.RunPython(install, people_events.remove)]
