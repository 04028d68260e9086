"""People with an account."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.identifiers import AsciiLower, ascii_lower, clean_name, validate_address
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject


class People(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        """As `by_username`. Raises User.DoesNotExist."""
        return self.by_username(username or "").get()

    def by_username(self, username: str) -> models.QuerySet[User]:
        """The person with this user name, in any case of ASCII letters, or nobody."""
        return self.filter(username__ascii_lower=ascii_lower(username))

    def by_address(self, address: str) -> models.QuerySet[User]:
        """The person with this e-mail address, in any case of ASCII letters, or nobody."""
        return self.filter(email__ascii_lower=ascii_lower(address)).exclude(email="")

    def matching(self, text: str) -> models.QuerySet[User]:
        """People with this text in their user name or address."""
        part = ascii_lower(text)
        return self.filter(Q(username__ascii_lower__contains=part) | Q(email__ascii_lower__contains=part))


class User(AbstractBaseUser):
    """A person. Only their grants say what they may do."""

    username = models.CharField(
        _("user name"), max_length=64, unique=True, validators=[ASCIIUsernameValidator()]
    )
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True, validators=[validate_address])
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(default=clock.now)
    # Whose service identity this is; null: a person. An identity has no password, address or company account.
    service_team = models.ForeignKey(
        "access.Team", on_delete=models.PROTECT, null=True, blank=True, related_name="service_identities"
    )
    # Grows to end every session that began before.
    session_version = models.PositiveIntegerField(default=0, db_column="session_round")
    inbox_read_at = models.DateTimeField(null=True, blank=True)  # notices up to here are read

    owes_second_factor = False  # of who is signed in: see accounts.backends
    groups_problem = ""  # why the company's sign-in did not state the groups: see accounts.company

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                AsciiLower("username"),
                name="username_in_any_case",
                violation_error_message=_("Somebody has this user name already."),
            ),
            models.UniqueConstraint(
                AsciiLower("email"),
                condition=~Q(email=""),
                name="address_in_any_case",
                violation_error_message=_("Somebody has this e-mail address already."),
            ),
        ]

    def clean(self) -> None:
        """Store the full name in one form. Raises ValidationError: see `clean_name`."""
        try:
            self.full_name = clean_name(self.full_name)
        except ValidationError as error:
            raise ValidationError({"full_name": error}) from error

    def __str__(self) -> str:
        return self.username

    def audit_subject(self) -> Subject:
        """This person or service identity as the ledger names it."""
        kind = "service" if self.service_team_id else "person"
        return Subject(kind, str(self.pk), self.username, team=self.service_team)

    @property
    def initials(self) -> str:
        """Two letters for the avatar."""
        words = self.full_name.split()
        return (words[0][0] + words[-1][0] if len(words) > 1 else self.username[:2]).upper()

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session is bound to: another password or round ends it at its next request."""
        salt, value = "hyperclusters.access.session", f"{self.session_version}:{self.password}"
        return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()
