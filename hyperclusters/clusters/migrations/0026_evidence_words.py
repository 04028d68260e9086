"""One kind of evidence in plainer words. The stored values stay."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("clusters", "0025_empty_clusters")]

    operations: ClassVar = [
        migrations.AlterField(
            model_name="creation",
            name="evidence",
            field=models.CharField(
                blank=True,
                choices=[
                    ("reply", "the cloud's own answer"),
                    ("listed", "found in the cloud's list"),
                    ("human", "a person's decision"),
                    ("not_sent", "proof that nothing was sent"),
                    ("refused", "the cloud's own refusal"),
                    ("absent_after_horizon", "not in the cloud's list after the request expired"),
                ],
                max_length=24,
            ),
        )
    ]
