"""An index of the clusters with nothing inside, so that a view can say how many there are."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("clusters", "0024_approvals")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="cluster",
            index=models.Index(
                fields=["project"],
                name="cluster_empty",
                condition=models.Q(gone_at__isnull=True, empty_since__isnull=False),
            ),
        )
    ]
