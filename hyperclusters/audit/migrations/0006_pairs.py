from django.db import migrations, models

PAIRS = [
    ("event_person_name_action", ["person_name", "action", "seq"]),
    ("event_person_name_outcome", ["person_name", "outcome", "seq"]),
    ("event_person_name_team_id", ["person_name", "team_id", "seq"]),
    ("event_project_name_action", ["project_name", "action", "seq"]),
    ("event_team_id_action", ["team_id", "action", "seq"]),
    ("event_team_id_outcome", ["team_id", "outcome", "seq"]),
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_found_fast")]

    operations = [
        migrations.AddIndex("event", models.Index(fields=fields, name=name)) for name, fields in PAIRS
    ]
