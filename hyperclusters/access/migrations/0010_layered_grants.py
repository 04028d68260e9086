"""A person may have one grant of each role in a team, where there was one.

The release before goes on: it reads all grants, and of those of one person it replaces or ends the newest. It cannot
give a role that the person has in another grant already: the constraint refuses that, and nothing is changed.
"""

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0009_inbox")]

    operations: ClassVar = [
        migrations.AddConstraint(
            "grant",
            models.UniqueConstraint(
                fields=["person", "team", "role"],
                condition=Q(ended_at__isnull=True, team__isnull=False),
                name="grant_one_of_each_role_a_team",
            ),
        ),
        migrations.RemoveConstraint("grant", "grant_one_role_a_team"),
    ]
