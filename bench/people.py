"""Teams with their people, projects and clusters, made by the product's own services where they are few."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from itertools import cycle, islice

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection
from django.utils import timezone

from bench.site import KEY, SECRET, Site
from hyperclusters.access.models import Role, Team, User
from hyperclusters.access.services import add_person, add_team, grant
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Network, Project, State
from hyperclusters.clusters.projects import connect_project
from hyperclusters.modelarts import Credentials

REASON = "the bench's cast"
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Crew:
    """A team, its one creator, and its projects."""

    team: Team
    creator: User
    projects: list[Project]


def crew(site: Site, name: str, *, projects: int) -> Crew:
    """A team with so many projects on the site's cloud."""
    root = User.objects.filter(username="root").first() or _root()
    team = add_team(slug=name, name=name.title())
    creator = add_person(username=f"{name}-ada")
    grant(person=creator, role=Role.CREATOR, team=team, reason=REASON)
    connected = [
        connect_project(
            by=root,
            name=f"{name}-{number}",
            team=team,
            endpoint=site.endpoint,
            project_id=uuid.uuid4().hex,
            credentials=Credentials(KEY, SECRET),
        )
        for number in range(projects)
    ]
    return Crew(team, creator, connected)


def sign_in(person: User) -> str:
    """The key of a new session, as if the person had given their password."""
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return session.session_key or ""


def stock(crew: Crew, count: int) -> None:
    """So many clusters in the crew's projects, every other one made here. Their lists are not due for a day."""
    now = timezone.now()
    ClusterListing.objects.filter(project__in=crew.projects).update(
        run_after=now + timedelta(days=1), listed_at=now
    )
    clusters = [
        Cluster(
            project=project,
            cluster_id=str(uuid.uuid4()),
            name=f"train-{number:05}",
            type="HPS",
            found_at=now - timedelta(minutes=number),
            seen_at=now,
        )
        for number, project in enumerate(islice(cycle(crew.projects), count))
    ]
    for cluster in clusters[::2]:
        cluster.creation = _creation(crew, cluster)
    Creation.objects.bulk_create([each.creation for each in clusters if each.creation], BATCH)
    Cluster.objects.bulk_create(clusters, BATCH)
    Network.objects.bulk_create(
        [
            Network(cluster=cluster, subnet_id=str(uuid.uuid4()), is_default=default)
            for cluster in clusters
            for default in (True, False)
        ],
        BATCH,
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as autovacuum does a minute later


def _creation(crew: Crew, cluster: Cluster) -> Creation:
    return Creation(
        project=cluster.project,
        name=cluster.name,
        type=cluster.type,
        token=uuid.uuid4(),
        requested_by=crew.creator,
        requested_at=cluster.found_at,
        state=State.CREATED,
        settled_at=cluster.found_at,
    )


def _root() -> User:
    root = add_person(username="root")
    grant(person=root, role=Role.PLATFORM_ADMIN, team=None, reason=REASON)
    return root
