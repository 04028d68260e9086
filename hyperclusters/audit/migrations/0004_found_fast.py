from django.db import migrations, models

from hyperclusters.audit import search, vocabulary

FEWER = [
    ("event_object", ["object_kind", "object_id", "seq"]),
    ("event_team", ["team_id", "seq"]),
    ("event_person", ["person_name", "seq"]),
    ("event_outcome", ["outcome", "seq"]),
    ("event_request", ["request_id"]),
    ("event_upstream_request", ["upstream_request_id"]),
]
MORE = [
    ("event_person_page", ["person_name", "seq", "action", "outcome", "team_id", "project_name", "ip", "at"]),
    ("event_team_page", ["team_id", "seq", "action", "outcome", "project_name", "ip", "at"]),
    ("event_project_page", ["project_name", "seq", "action", "outcome", "team_id", "ip", "at"]),
    ("event_action_page", ["action", "seq", "outcome", "team_id", "ip", "at"]),
    ("event_outcome_page", ["outcome", "seq", "team_id", "ip", "at"]),
    ("event_ip_page", ["ip", "seq", "team_id", "at"]),
    ("event_object_page", ["object_id", "seq"]),
    ("event_name_page", ["object_name", "seq"]),
    ("event_request_page", ["request_id", "seq"]),
    ("event_upstream_page", ["upstream_request_id", "seq"]),
    ("event_time", ["at", "seq"]),
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_keeping")]

    operations = [
        migrations.AlterField("event", "action", models.CharField(choices=vocabulary.actions, max_length=48)),
        # Not AddField: on SQLite that writes the whole table anew, and with it loses the triggers that guard it.
        migrations.RunSQL(
            "ALTER TABLE audit_event ADD COLUMN project_name varchar(64) NOT NULL DEFAULT ''",
            "ALTER TABLE audit_event DROP COLUMN project_name",
            state_operations=[
                migrations.AddField(
                    "event",
                    "project_name",
                    models.CharField(blank=True, default="", db_default="", max_length=64),
                )
            ],
        ),
        *(migrations.RemoveIndex("event", name) for name, _ in FEWER),
        *(migrations.AddIndex("event", models.Index(fields=fields, name=name)) for name, fields in MORE),
        migrations.RunPython(search.install, search.remove),
    ]
