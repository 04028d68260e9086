import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import hyperclusters.audit.clock


def copy_links(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Whoever was linked stays linked. Of several accounts of one person only the first is theirs.

    Where this command does not know OIDC_ISSUER the issuer stays empty until the first sign-in.
    """
    CompanyAccount = apps.get_model("accounts", "CompanyAccount")
    SocialAccount = apps.get_model("socialaccount", "SocialAccount")
    people = set()
    for link in SocialAccount.objects.filter(provider="company").order_by("date_joined", "pk"):
        if link.user_id in people:
            print(f"\n    {link.uid} is not linked any more: another company account came first.")  # noqa: T201
            continue
        people.add(link.user_id)
        CompanyAccount.objects.create(
            person_id=link.user_id,
            issuer=settings.OIDC_ISSUER,
            subject=link.uid,
            linked_at=link.date_joined,
            confirmed_at=link.last_login,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_one_clock"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CompanyAccount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=500)),
                ("subject", models.CharField(max_length=255)),
                ("linked_at", models.DateTimeField(default=hyperclusters.audit.clock.now)),
                ("confirmed_at", models.DateTimeField(default=hyperclusters.audit.clock.now)),
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="company_account",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("issuer", "subject"), name="company_account_once")
                ],
            },
        ),
        migrations.RunPython(copy_links, migrations.RunPython.noop),
    ]
