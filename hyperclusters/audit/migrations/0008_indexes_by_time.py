from functools import partial

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

Indexes = dict[str, list[str]]

BY_TIME: Indexes = {
    "event_person_at": ["person_name", "at", "seq", "action", "outcome", "team_id", "project_name", "ip"],
    "event_team_at": ["team_id", "at", "seq", "action", "outcome", "project_name", "ip"],
    "event_project_at": ["project_name", "at", "seq", "action", "outcome", "team_id", "ip"],
    "event_action_at": ["action", "at", "seq", "outcome", "team_id", "ip"],
    "event_outcome_at": ["outcome", "at", "seq", "team_id", "ip"],
    "event_ip_at": ["ip", "at", "seq", "team_id"],
    "event_object_at": ["object_id", "at", "seq"],
    "event_name_at": ["object_name", "at", "seq"],
    "event_person_name_action_at": ["person_name", "action", "at", "seq"],
    "event_person_name_outcome_at": ["person_name", "outcome", "at", "seq"],
    "event_person_name_team_id_at": ["person_name", "team_id", "at", "seq"],
    "event_project_name_action_at": ["project_name", "action", "at", "seq"],
    "event_team_id_action_at": ["team_id", "action", "at", "seq"],
    "event_team_id_outcome_at": ["team_id", "outcome", "at", "seq"],
}
BY_NUMBER: Indexes = {
    "event_person_page": ["person_name", "seq", "action", "outcome", "team_id", "project_name", "ip", "at"],
    "event_team_page": ["team_id", "seq", "action", "outcome", "project_name", "ip", "at"],
    "event_project_page": ["project_name", "seq", "action", "outcome", "team_id", "ip", "at"],
    "event_action_page": ["action", "seq", "outcome", "team_id", "ip", "at"],
    "event_outcome_page": ["outcome", "seq", "team_id", "ip", "at"],
    "event_ip_page": ["ip", "seq", "team_id", "at"],
    "event_object_page": ["object_id", "seq"],
    "event_name_page": ["object_name", "seq"],
    "event_person_name_action": ["person_name", "action", "seq"],
    "event_person_name_outcome": ["person_name", "outcome", "seq"],
    "event_person_name_team_id": ["person_name", "team_id", "seq"],
    "event_project_name_action": ["project_name", "action", "seq"],
    "event_team_id_action": ["team_id", "action", "seq"],
    "event_team_id_outcome": ["team_id", "outcome", "seq"],
}


def replace(apps: Apps, editor: BaseDatabaseSchemaEditor, *, added: Indexes, removed: Indexes) -> None:
    """Create the added indexes, then drop the others. On PostgreSQL the ledger is written to meanwhile, which no
    transaction can give: what an interrupted run left behind is replaced by the next one."""
    online = editor.connection.vendor == "postgresql"
    if online:  # each index waits for the transactions that run, and takes no lock that stops others
        editor.execute("SET lock_timeout = 0")
    model = apps.get_model("audit", "Event")
    for name, fields in added.items():
        drop(editor, name)
        editor.add_index(
            model, models.Index(fields=fields, name=name), **({"concurrently": True} if online else {})
        )
    for name in removed:
        drop(editor, name)
    if online:
        editor.execute("RESET lock_timeout")


def drop(editor: BaseDatabaseSchemaEditor, name: str) -> None:
    online = "CONCURRENTLY" if editor.connection.vendor == "postgresql" else ""
    editor.execute(f'DROP INDEX {online} IF EXISTS "{name}"')


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0007_denials_and_undelivered_events")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunPython(
                    partial(replace, added=BY_TIME, removed=BY_NUMBER),
                    partial(replace, added=BY_NUMBER, removed=BY_TIME),
                )
            ],
            [
                migrations.AlterModelOptions("event", {"ordering": ["-at", "-seq"]}),
                *(migrations.RemoveIndex("event", name) for name in BY_NUMBER),
                *(
                    migrations.AddIndex("event", models.Index(fields=fields, name=name))
                    for name, fields in BY_TIME.items()
                ),
            ],
        )
    ]
