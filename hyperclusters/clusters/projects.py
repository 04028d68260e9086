"""Connecting a cloud project to a team."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import Action, require
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import ClusterType, Credentials

from .credentials import seal
from .models import Project, Source
from .upstream import bound_to, is_allowed


def connect_project(
    *,
    by: User,
    name: str,
    team: Team,
    endpoint: str,
    project_id: str,
    credentials: Credentials,
    region: str = "",
) -> Project:
    """Connect a project. Raises NotPermitted; ValidationError on a malformed value or an endpoint not on the allow-list."""
    require(by, Action.CONNECT)
    if not is_allowed(endpoint):
        raise ValidationError(
            {"endpoint": _("This endpoint is not on the list of hosts that may be called.")}
        )
    sealed = seal(credentials, bound_to=bound_to(endpoint=endpoint, project_id=project_id))
    project = Project(
        name=name,
        team=team,
        endpoint=endpoint,
        region=region,
        project_id=project_id,
        sealed_credentials=sealed,
    )
    project.full_clean()
    with transaction.atomic():
        project.save()
        Source.objects.bulk_create(
            Source(project=project, type=kind, due_at=timezone.now()) for kind in ClusterType
        )
        record(
            Did.PROJECT_CONNECTED,
            Outcome.DONE,
            person=by,
            team=team,
            project=project,
            subject=Subject("project", str(project.pk), project.name),
            after={"endpoint": endpoint, "region": region, "project_id": project_id},
        )
    return project
