"""`manage.py database_roles`: give PostgreSQL's roles what each needs and no more. Run it as the owner, after
`migrate`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from environ import Env
from psycopg import sql

AUDITOR, ANCHOR = "hyperclusters_auditor", "hyperclusters_anchor"
ALL = "SELECT, INSERT, UPDATE, DELETE"
# What web and workers may do where that is not everything. docs/database-rights.md shows it.
APP = {
    "audit_event": "SELECT, INSERT",
    "audit_head": "SELECT, UPDATE",  # the chain's end; a trigger lets it move forward only
    "audit_segment": "SELECT",  # only the owner archives
    "django_migrations": "SELECT",
}


class Command(BaseCommand):
    help = (
        "PostgreSQL: make the role that APP_DATABASE_URL names, which may add to the audit and read it but neither change "
        "nor delete, and the groups hyperclusters_auditor, which may read the audit to verify it, and hyperclusters_anchor, "
        "which may also note that it wrote an anchor. Run it as the owner after each migrate; it can be run again."
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
        url_parts = Env.db_url_config(url)
        app = str(url_parts["USER"])
        if app == connection.settings_dict["USER"]:
            raise CommandError(
                "APP_DATABASE_URL names the owner itself; use another role for web and workers."
            )
        with transaction.atomic(), connection.cursor() as cursor:  # no role ever has less or more
            for role in (app, AUDITOR, ANCHOR):
                _make(cursor, role)
            login = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            cursor.execute(login.format(sql.Identifier(app), sql.Literal(str(url_parts["PASSWORD"]))))
            _do(cursor, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}", app)
            for table in sorted(connection.introspection.table_names(cursor)):
                _grant(cursor, APP.get(table, ALL), table, app)
                # By the migrations a verification tells a later release's columns from changes.
                if table.startswith("audit_") or table == "django_migrations":
                    _grant(cursor, "SELECT", table, AUDITOR)
                    _grant(cursor, "SELECT", table, ANCHOR)
            _grant(cursor, "INSERT, UPDATE", "audit_anchorfile", ANCHOR)
        self.stdout.write(f"{app}: reads and writes, and to the audit it only adds")
        self.stdout.write(
            f"{AUDITOR}, {ANCHOR}: read the audit (GRANT them to whoever verifies it, or keeps anchors)"
        )


def _make(cursor: Any, role: str) -> None:
    """Create the role, or reset it to no rights."""
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role])
    role_row = cursor.fetchone()
    if role_row and role_row[0]:
        raise CommandError(f"The role {role} is a superuser, from whom nothing can be kept; use another.")
    _do(cursor, "ALTER ROLE {} NOCREATEDB NOCREATEROLE" if role_row else "CREATE ROLE {}", role)
    _do(cursor, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}", role)
    _do(cursor, "REVOKE CREATE ON SCHEMA public FROM {}", role)
    _do(cursor, "GRANT USAGE ON SCHEMA public TO {}", role)


def _grant(cursor: Any, rights: str, table: str, role: str) -> None:
    statement = sql.SQL("GRANT {} ON {} TO {}")
    cursor.execute(statement.format(sql.SQL(rights), sql.Identifier(table), sql.Identifier(role)))


def _do(cursor: Any, statement: str, role: str) -> None:
    cursor.execute(sql.SQL(statement).format(sql.Identifier(role)))
