"""`manage.py database_roles`: give PostgreSQL's roles what each needs and no more. Run as the owner, after `migrate`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from environ import Env
from psycopg import sql

AUDITOR, ANCHOR = "hyperclusters_auditor", "hyperclusters_anchor"
LEDGER = "audit_event"
VERIFICATIONS = (
    "audit_verification"  # only says how the last ones came out; a new one takes the place of an old one
)


class Command(BaseCommand):
    help = (
        "PostgreSQL: make the role that APP_DATABASE_URL names, which may add to the audit and read it but neither change "
        "nor delete, and the groups hyperclusters_auditor and hyperclusters_anchor, which may only read it. Run it as the "
        "owner after each migrate; it can be run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError(
                "Roles are PostgreSQL's; with SQLite the file's permissions are what there is."
            )
        url = settings.APP_DATABASE_URL
        if not url:
            raise CommandError(
                "APP_DATABASE_URL is not set: it names the role that web and workers sign in with."
            )
        wanted = Env.db_url_config(url)
        app = str(wanted["USER"])
        if app == connection.settings_dict["USER"]:
            raise CommandError(
                "APP_DATABASE_URL names the owner itself; use another role for web and workers."
            )
        with transaction.atomic(), connection.cursor() as cursor:
            self.run(cursor, app, str(wanted["PASSWORD"]))
        self.stdout.write(f"{app}: reads and writes, and to the audit it only adds")
        self.stdout.write(
            f"{AUDITOR}, {ANCHOR}: read the audit (GRANT them to whoever verifies it, or keeps anchors)"
        )

    def run(self, cursor: Any, app: str, password: str) -> None:
        """Everything in one transaction: no moment in which a role has less or more than it should."""
        for role in (app, AUDITOR, ANCHOR):
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            self._do(cursor, "ALTER ROLE {} NOSUPERUSER NOCREATEDB NOCREATEROLE", role)
            self._do(cursor, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}", role)
            self._do(cursor, "REVOKE CREATE ON SCHEMA public FROM {}", role)
            self._do(cursor, "GRANT USAGE ON SCHEMA public TO {}", role)
        login = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(app), sql.Literal(password))
        cursor.execute(login)
        self._do(cursor, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}", app)
        for table in sorted(connection.introspection.table_names(cursor)):
            ours = sql.SQL("GRANT {} ON {} TO {}")
            rights = sql.SQL(_rights(table))
            cursor.execute(ours.format(rights, sql.Identifier(table), sql.Identifier(app)))
            if table.startswith("audit_"):
                for reader in (AUDITOR, ANCHOR):
                    cursor.execute(
                        ours.format(sql.SQL("SELECT"), sql.Identifier(table), sql.Identifier(reader))
                    )

    def _do(self, cursor: Any, statement: str, role: str) -> None:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(role)))


def _rights(table: str) -> str:
    """What web and workers may do with a table."""
    if table == LEDGER:
        return "SELECT, INSERT"
    if table.startswith("audit_") and table != VERIFICATIONS:
        return "SELECT, INSERT, UPDATE"  # the chain's end, which the triggers let move forward only
    if table == "django_migrations":
        return "SELECT"
    return "SELECT, INSERT, UPDATE, DELETE"
