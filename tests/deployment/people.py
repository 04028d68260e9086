"""Run by `manage.py shell`: twenty people in one team, and its project on the simulator."""

import os

from hyperclusters.access.models import Role
from hyperclusters.access.services import add_person, add_team, grant
from hyperclusters.clusters.projects import connect_project
from hyperclusters.modelarts import Credentials

root = add_person(username="root", password=os.environ["PASSWORD"])
grant(person=root, role=Role.PLATFORM_ADMIN, team=None, reason="runs the platform")
team = add_team(slug="vision", name="Vision", by=root)
for number in range(int(os.environ["PEOPLE"])):
    person = add_person(username=f"person-{number}", password=os.environ["PASSWORD"])
    grant(person=person, role=Role.CREATOR, team=team, reason="works here", by=root)
connect_project(
    by=root,
    name="vision",
    team=team,
    endpoint=os.environ["CLOUD"],
    project_id="a" * 32,
    credentials=Credentials("TESTKEY", "test-secret"),
)
