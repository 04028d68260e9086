"""`manage.py copy_database`: copy another database, such as a SQLite file, into this one and keep the audit provable."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import connection, connections, models, transaction

from hyperclusters.audit.chain import DOCUMENTS, copy_events
from hyperclusters.audit.models import ChainHead, Event

SOURCE = "source"
BATCH = 1000  # rows written at once
Model = type[models.Model]


class Command(BaseCommand):
    help = (
        "Copy the database that SOURCE_DATABASE_URL names into the one that DATABASE_URL names, which `migrate` has made and "
        "nobody has used. Stop web and workers first. All is copied in one transaction, or nothing. Run verify_audit afterwards."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SOURCE_DATABASE:
            raise CommandError("SOURCE_DATABASE_URL is not set: it names the database to copy from.")
        if ChainHead.objects.get().seq:
            raise CommandError(
                "This database has events: copy into one that `migrate` has made and nobody has used."
            )
        _connect(settings.SOURCE_DATABASE)
        tables = [
            model
            for model in apps.get_models(include_auto_created=True)
            if model._meta.managed and not model._meta.proxy and model not in {Event, ChainHead}
        ]
        try:
            with transaction.atomic():
                _empty(tables)
                count = sum(_copy(model) for model in tables)
                events = _copy_ledger()
                with connection.cursor() as cursor:
                    for statement in connection.ops.sequence_reset_sql(no_style(), tables):
                        cursor.execute(statement)
        finally:
            connections[SOURCE].close()
            del connections[SOURCE]
        self.stdout.write(f"copied {count} rows and {events} audit events; now run verify_audit")


def _connect(source: dict[str, Any]) -> None:
    """Open the source with Django's own engine, which only reads here."""
    if source["ENGINE"].endswith("sqlite3") and not Path(source["NAME"]).is_file():
        raise CommandError(f"{source['NAME']} does not exist.")
    connections.settings[SOURCE] = connections.settings["default"] | {"OPTIONS": {}} | source


def _empty(tables: list[Model]) -> None:
    """Remove rows that migrations created, such as Django's permissions: the source has its own."""
    with connection.cursor() as cursor:
        for model in tables:
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')  # noqa: S608 -- a table's name


def _copy(model: Model) -> int:
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    insert = f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks})'  # noqa: S608 -- names, and marks
    count = 0
    with connection.cursor() as cursor:
        for rows in _batches(model):
            cursor.executemany(
                insert,
                [
                    [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
                    for row in rows
                ],
            )
            count += len(rows)
    return count


def _copy_ledger() -> int:
    """The events as `record` would have stored them here, and the chain's end."""
    count = 0
    for events in _batches(Event):
        if not count and events[0].seq > 1:  # earlier ones are in archives
            ChainHead.objects.update(seq=events[0].seq - 1)
        for event in events:
            fields = json.loads(event.canonical)
            for name in DOCUMENTS:  # the text keeps how a number was written; PostgreSQL's document does not
                if fields.get(name) == getattr(event, name):
                    setattr(event, name, fields[name])
        copy_events(connection, events)
        count += len(events)
    head = ChainHead.objects.using(SOURCE).get()
    if head.seq:
        ChainHead.objects.update(seq=head.seq, digest=head.digest, key_id=head.key_id)
    return count


def _batches(model: Model) -> Iterator[list[Any]]:
    rows = model._base_manager.using(SOURCE).order_by("pk").iterator(BATCH)
    while batch := list(islice(rows, BATCH)):
        yield batch
