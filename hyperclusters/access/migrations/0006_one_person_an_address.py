from collections import defaultdict

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import hyperclusters.access.identifiers
from hyperclusters.access.identifiers import ascii_lower, name_key


def free_shared_addresses(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Nobody keeps an address that several people have: nothing here says whose it is. Says who loses it."""
    User = apps.get_model("access", "User")
    people = defaultdict(list)
    for person in User.objects.exclude(email="").order_by("pk"):
        people[ascii_lower(person.email)].append(person)
    for address, sharers in people.items():
        if len(sharers) > 1:
            User.objects.filter(pk__in=[person.pk for person in sharers]).update(email="")
            names = ", ".join(person.username for person in sharers)
            print(f"\n    {address} is taken from {names}: set it again for one of them (correct_person).")  # noqa: T201


def fill_name_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Teams that look alike already keep their names; only the first has the key, so that no third one is added."""
    Team = apps.get_model("access", "Team")
    keys = set()
    for team in Team.objects.order_by("pk"):
        key = name_key(team.name)
        if key not in keys:
            keys.add(key)
            Team.objects.filter(pk=team.pk).update(name_key=key)


class Migration(migrations.Migration):
    dependencies = [("access", "0005_one_clock")]

    operations = [
        migrations.AddField(
            model_name="team",
            name="name_key",
            field=models.CharField(editable=False, max_length=300, null=True, unique=True),
        ),
        migrations.RunPython(fill_name_keys, migrations.RunPython.noop),
        migrations.RunPython(free_shared_addresses, migrations.RunPython.noop),
        migrations.RemoveConstraint(model_name="user", name="user_name_regardless_of_case"),
        migrations.AlterField(
            model_name="user",
            name="email",
            field=models.EmailField(
                blank=True,
                max_length=254,
                validators=[hyperclusters.access.identifiers.validate_address],
                verbose_name="e-mail address",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                hyperclusters.access.identifiers.AsciiLower("username"),
                name="username_in_any_case",
                violation_error_message="Somebody has this user name already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                hyperclusters.access.identifiers.AsciiLower("email"),
                condition=models.Q(("email", ""), _negated=True),
                name="address_in_any_case",
                violation_error_message="Somebody has this e-mail address already.",
            ),
        ),
    ]
