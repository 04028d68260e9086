"""A creation: one attempt to create a hyper cluster, from click to verdict."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team, User
from hyperclusters.access.permissions import Permission, Reader, may, who_can, within
from hyperclusters.modelarts import ClusterType

from .inventory import TYPES
from .operation import Operation, OperationQuerySet


class State(models.TextChoices):
    """The states of a creation."""

    REFUSED = "refused", _("Refused")
    QUEUED = "queued", _("Waiting")
    SENDING = "sending", _("Being created")
    UNKNOWN = "unknown", _("Checking the cloud")
    NEEDS_ATTENTION = "needs_attention", _("Needs a decision")
    CREATED = "created", _("Created")
    FAILED = "failed", _("Failed")
    NOT_CREATED = "not_created", _("Not created")
    CANCELLED = "cancelled", _("Withdrawn")


# In these states no other creation of that name may begin in the project.
UNRESOLVED_STATES = (State.QUEUED, State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION)


FAILURES = (State.REFUSED, State.FAILED, State.NOT_CREATED)


class Approval(models.TextChoices):
    """Whether another person has to agree. Null in the database: accepted by a process of the release before."""

    NOT_NEEDED = "not_needed", _("Not needed")
    WAITING = "waiting", _("Needs approval")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")


class Evidence(models.TextChoices):
    """The evidence of a verdict."""

    REPLY = "reply", _("the cloud's own answer")
    LISTED = "listed", _("found in the cloud's list")
    HUMAN = "human", _("a person's decision")
    NOT_SENT = "not_sent", _("proof that nothing was sent")
    REFUSED = "refused", _("the cloud's own refusal")
    ABSENT = "absent_after_horizon", _("not in the cloud's list after the request expired")


# When evidence meets later evidence, the stronger one stands.
EVIDENCE_RANK = {
    Evidence.REPLY: 3,
    Evidence.REFUSED: 3,
    Evidence.LISTED: 2,
    Evidence.HUMAN: 1,
    Evidence.ABSENT: 0,
}


class CreationQuerySet(OperationQuerySet["Creation"]):
    """Creations."""

    def due(self) -> CreationQuerySet:
        """Those that wait for a person's approval are due for no worker."""
        return super().due().exclude(approval=Approval.WAITING)

    def waiting_for_approval(self) -> CreationQuerySet:
        """Recorded, and not to be sent before an admin approves."""
        return self.filter(state=State.QUEUED, approval=Approval.WAITING)

    def to_approve(self, person: Reader) -> CreationQuerySet:
        """Those of other people that wait for this admin, the longest wait first."""
        creations = self.waiting_for_approval().filter(
            within(person, Permission.DECIDE, team="project__team")
        )
        return creations.exclude(requested_by=person.pk).order_by("approval_at")

    def failures_of(self, person: Reader) -> CreationQuerySet:
        """This person's attempts that made no cluster, newest first, but for those that they dismissed, or whose name
        was created later in the same project."""
        later = Creation.objects.filter(
            project=models.OuterRef("project"),
            name=models.OuterRef("name"),
            requested_at__gt=models.OuterRef("requested_at"),
            state=State.CREATED,
        )
        failures = self.filter(state__in=FAILURES, requested_by=person.pk, dismissed_at__isnull=True)
        return failures.exclude(models.Exists(later)).order_by("-requested_at", "pk")

    def reviewed_as(self, judgement: str) -> CreationQuerySet:
        """Settled creations with this judgement of an auditor; empty: those without a review. Oldest first."""
        condition = Q(review__judgement=judgement) if judgement else Q(review__isnull=True)
        return self.filter(condition, settled_at__isnull=False).order_by("settled_at", "pk")


class Creation(Operation):
    """The request, its progress, and the evidence of its verdict."""

    UNRESOLVED = UNRESOLVED_STATES
    KIND = "creation"

    project = models.ForeignKey("clusters.Project", on_delete=models.PROTECT, related_name="creations")
    name = models.CharField(max_length=64)
    type = models.CharField(max_length=8, choices=TYPES, blank=True)  # empty: not stated, the cloud decides
    subnet_id = models.CharField(max_length=36, blank=True)
    token = models.UUIDField(unique=True)
    again_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="tried_again_as"
    )

    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    # IDs that were there before sending: those of this name, and those of other names that were unknown at the click.
    baseline = models.JSONField(default=list)
    namesakes: Sequence[str] = ()  # those of this name, while it is being sent; not stored
    # IDs that the cloud's answers to the create named: candidates, whatever else the answer said.
    reported_ids = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    candidates = models.JSONField(default=list)  # the clusters from which a person must choose
    evidence = models.CharField(max_length=24, choices=Evidence.choices, blank=True)
    conflict_at = models.DateTimeField(null=True, blank=True)  # later evidence contradicts the verdict
    approval = models.CharField(max_length=16, choices=Approval.choices, null=True)
    approval_rule = models.CharField(max_length=32, blank=True, db_default="")  # see quotas.approval_rule
    approval_at = models.DateTimeField(null=True, blank=True)  # when it began to wait, or was decided
    approval_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="approvals"
    )
    approval_reason = models.CharField(max_length=500, blank=True, db_default="")
    # Who made a service identity, and the token that it used: their IDs. Null: of a person, or not known.
    sponsors = models.JSONField(null=True, blank=True)
    approver_told_at = models.DateTimeField(null=True, blank=True)  # the mail that it waits
    maker_told_at = models.DateTimeField(null=True, blank=True)  # the mail about the decision
    dismissed_at = models.DateTimeField(
        null=True, blank=True
    )  # who requested it needs no reminder of its failure

    objects = CreationQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(state__in=UNRESOLVED_STATES),
                name="creation_one_unresolved_a_name",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "run_after"], name="creation_due"),
            models.Index(fields=["approval", "approval_at"], name="creation_approval"),
            models.Index(
                fields=["requested_by", "project"], name="creation_maker", condition=Q(state=State.CREATED)
            ),
            models.Index(F("requested_at").desc(), "id", name="creation_newest"),
            models.Index(fields=["requested_by", "requested_at"], name="creation_by_person"),
            models.Index(
                fields=["settled_at", "id"],
                name="creation_settled",
                condition=Q(settled_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("creations:creation", args=[self.pk])

    @property
    def stated_type(self) -> ClusterType | None:
        """The type that is sent, if one is."""
        return ClusterType(self.type) if self.type else None

    @property
    def listed_types(self) -> tuple[ClusterType, ...]:
        """The lists in which its cluster can be: that of its type, or both."""
        return (ClusterType(self.type),) if self.type else tuple(ClusterType)

    def has_failing_lists(self) -> bool:
        """Whether a list in which its cluster can be could not be read the last time."""
        lists = self.project.sources.filter(type__in=self.listed_types, failed_at__isnull=False)
        return self.project.is_paused or lists.exists()

    @property
    def team(self) -> Team:
        return self.project.team

    @property
    def waits_for_approval(self) -> bool:
        return self.state == State.QUEUED and self.approval == Approval.WAITING

    def approval_objection(self, person: User) -> str:
        """Why this person's approval does not count, as a slug; empty: it does."""
        if person.service_team_id or not may(person, Permission.DECIDE, self.team):
            return "not_permitted"
        return self._own_objection(person)

    def approvers(self) -> list[User]:
        """The people who may approve it now."""
        admins = [grant.person for grant in who_can(Permission.DECIDE, self.team)]
        return [person for person in admins if not self._own_objection(person)]

    @property
    def has_unknown_sponsors(self) -> bool:
        """Whether nobody may approve it, as anybody may stand behind the service identity."""
        return self.requested_by.service_team_id is not None and self.sponsors is None

    def _own_objection(self, person: User) -> str:
        """Whether it is this person's own, or may be."""
        if person == self.requested_by:
            return "own_approval"
        if self.has_unknown_sponsors:
            return "unknown_sponsors"
        return "own_service" if person.pk in (self.sponsors or ()) else ""
