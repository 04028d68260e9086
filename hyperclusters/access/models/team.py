"""Teams and their rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.identifiers import clean_name, name_key
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject
from hyperclusters.audit.times import later


class Team(models.Model):
    """A group of people who share cloud projects, and its rules: how long access may last, and which clusters."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100, unique=True)
    name_key = models.CharField(max_length=300, unique=True, null=True, editable=False)  # see identifiers
    created_at = models.DateTimeField(default=clock.now)

    allows_open_ended = models.BooleanField(_("grants without an end are allowed"), default=True)
    longest_days = models.PositiveIntegerField(
        _("longest grant in days"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    allowed_types = models.JSONField(_("cluster types"), default=list, blank=True)  # none: every type
    name_pattern = models.CharField(
        _("cluster names"),
        max_length=64,
        blank=True,
        validators=[
            RegexValidator(r"^[A-Za-z0-9._*?-]*\Z", _("Letters, digits, “-”, “_”, “.”, “*” and “?”."))
        ],
    )
    reason_required = models.BooleanField(_("a creation needs a reason"), default=False)
    # Creations that wait until another admin approves: those of these types, and from this number of clusters on.
    approval_types = models.JSONField(
        _("types that need approval"),
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
    )
    approval_from = models.PositiveIntegerField(
        _("approval from this number of clusters on"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    quota = models.PositiveIntegerField(_("clusters in all its projects"), null=True, blank=True)

    unled_at = models.DateTimeField(
        null=True, blank=True, editable=False
    )  # from when on the team has no admin, once reported
    unled_told_at = models.DateTimeField(null=True, blank=True, editable=False)  # the mail about it

    RULES = (
        *("allows_open_ended", "longest_days", "allowed_types", "name_pattern", "reason_required"),
        *("approval_types", "approval_from"),
    )

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("teams:team", args=[self.slug])

    def clean(self) -> None:
        """Check the name of a new team. Raises ValidationError (see `clean_name`), also if a team has it in any case."""
        if self._state.adding:
            self.set_name(self.name)

    def set_name(self, name: str) -> None:
        """Give the team this name, not yet saved. Raises ValidationError as `clean`."""
        try:
            self.name = clean_name(name)
        except ValidationError as error:
            raise ValidationError({"name": error}) from error
        self.name_key = name_key(self.name)
        if Team.objects.filter(name_key=self.name_key).exclude(pk=self.pk).exists():
            raise ValidationError({"name": _("A team has this name already.")})

    def audit_subject(self) -> Subject:
        """This team as the ledger names it."""
        return Subject("team", str(self.pk), self.name, team=self)

    def fits(self, name: str) -> bool:
        """Whether a cluster may have this name here. In the pattern `*` matches anything, `?` one character."""
        return not self.name_pattern or fnmatchcase(name, self.name_pattern)

    def latest_end(self, now: datetime) -> datetime | None:
        """The latest end of a grant made now; None: no limit."""
        return (
            later(now, timedelta(days=min(self.longest_days, timedelta.max.days)))
            if self.longest_days
            else None
        )
