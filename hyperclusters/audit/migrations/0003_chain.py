from collections.abc import Iterator
from typing import Any

from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from hyperclusters.audit import triggers
from hyperclusters.audit.chain import DOCUMENTS, GENESIS, PendingEvent, document

BATCH = 1000


def chain(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the events that are there already their places in the chain. Their numbers close ranks: where a transaction
    was undone the database's own numbering had left a hole, and a chain has none."""
    seq, previous = 0, GENESIS
    # Documents are written again as the text has them: SQLite keeps their bytes, which the seal covers.
    documents = ", ".join(f'"{name}" = %s' for name in DOCUMENTS)
    update = f"UPDATE audit_event SET seq = %s, key_id = %s, canonical = %s, digest = %s, {documents} WHERE seq = %s"  # noqa: S608 -- names of columns
    with schema_editor.connection.cursor() as cursor:
        for batch in batches(apps.get_model("audit", "Event")):
            rows = []
            for event in batch:
                seq, was = seq + 1, event.seq
                event.seq = seq
                key_id, key = settings.AUDIT_KEYS[0]
                text, previous = PendingEvent(event).seal(seq, previous, key_id, key)
                values = (getattr(event, name) for name in DOCUMENTS)
                kept = (None if value is None else document(value) for value in values)
                rows.append((seq, key_id, text, previous, *kept, was))
            cursor.executemany(update, rows)
    head = apps.get_model("audit", "Head")  # type: ignore[misc]  # the name that the model had then
    head.objects.create(id=1, seq=seq, digest=previous)


def batches(model: Any) -> Iterator[list[Any]]:
    """All events, oldest first, some at a time."""
    last = 0
    while batch := list(model.objects.filter(seq__gt=last).order_by("seq")[:BATCH]):
        last = batch[-1].seq
        yield batch


def number_on(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 -- a migration's signature
    """Backwards: PostgreSQL numbers events by itself again, from where the chain ended."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "SELECT setval(pg_get_serial_sequence('audit_event', 'seq'), coalesce(max(seq), 0) + 1, false) FROM audit_event"
        )


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]

    operations = [
        migrations.RunPython(triggers.remove, triggers.install),
        migrations.CreateModel(
            name="Head",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(default=0)),
                ("digest", models.CharField(default=GENESIS, max_length=64)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(id=1), name="audit_one_head")],
            },
        ),
        migrations.AddField(
            "event", "key_id", models.CharField(default="", max_length=16), preserve_default=False
        ),
        migrations.AddField("event", "canonical", models.TextField(default=""), preserve_default=False),
        migrations.AddField(
            "event", "digest", models.CharField(default="", max_length=64), preserve_default=False
        ),
        migrations.RunPython(chain, number_on),
        migrations.RunPython(triggers.install, triggers.remove),
        migrations.RunPython(triggers.install_head, triggers.remove_head),
    ]
