from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def give_owners(apps: Any, schema_editor: Any) -> None:
    """Who created a cluster here owns it; of the others, for whom it is claimed."""
    database = schema_editor.connection.alias
    clusters = apps.get_model("clusters", "Cluster").objects.using(database).order_by()
    creations = apps.get_model("clusters", "Creation").objects.using(database).order_by()
    reviews = apps.get_model("clusters", "Review").objects.using(database).order_by()
    creators = creations.filter(pk=OuterRef("creation")).values("requested_by")
    clusters.filter(creation__isnull=False).update(owner=Subquery(creators))
    claims = reviews.filter(cluster=OuterRef("pk"), claimed_for__isnull=False)
    clusters.filter(
        creation__isnull=True, pk__in=reviews.filter(claimed_for__isnull=False).values("cluster")
    ).update(owner=Subquery(claims.values("claimed_for")))
    if schema_editor.connection.vendor == "postgresql":
        # The check of the new references is deferred, and no index can be created on the table before it.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0012_inside_of_clusters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="cluster",
            name="owner",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="owned_clusters",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="cluster",
            name="locked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="cluster",
            name="locked_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="cluster",
            name="lock_reason",
            field=models.CharField(blank=True, db_default="", max_length=500),
        ),
        migrations.AddField(
            model_name="deletion",
            name="locked_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="deletion",
            name="lock_reason",
            field=models.CharField(blank=True, db_default="", max_length=500),
        ),
        migrations.RunPython(give_owners, migrations.RunPython.noop, elidable=True),
    ]
