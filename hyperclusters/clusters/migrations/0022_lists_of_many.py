"""Lists of tens of thousands of creations and clusters are sorted, and clusters searched, by indexes."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Q

from hyperclusters.audit.search import create_extension

# What `icontains` asks for: UPPER(column::text) LIKE UPPER('%part%').
WORDS = {
    "cluster_words": "clusters_cluster USING gin (UPPER(name::text) gin_trgm_ops, UPPER(cluster_id::text) gin_trgm_ops)",
    "network_words": "clusters_network USING gin (UPPER(subnet_id::text) gin_trgm_ops)",
}


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Index the parts of words. SQLite reads every row."""
    if schema_editor.connection.vendor == "postgresql":
        create_extension(schema_editor)
        for name, definition in WORDS.items():
            schema_editor.execute(f"CREATE INDEX {name} ON {definition}")


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Back to the release before."""
    for name in WORDS:
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0021_creations_without_a_type"),
    ]

    operations = [
        migrations.AddIndex("creation", models.Index(F("requested_at").desc(), "id", name="creation_newest")),
        migrations.AddIndex(
            "creation", models.Index(fields=["requested_by", "requested_at"], name="creation_by_person")
        ),
        migrations.AddIndex(
            "creation",
            models.Index(
                fields=["settled_at", "id"], name="creation_settled", condition=Q(settled_at__isnull=False)
            ),
        ),
        migrations.AddIndex(
            "cluster",
            models.Index(fields=["name", "id"], name="cluster_by_name", condition=Q(gone_at__isnull=True)),
        ),
        migrations.RunPython(install, remove),
    ]
