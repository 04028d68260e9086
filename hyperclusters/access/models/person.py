"""People: who has an account."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject


class People(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        """Names are compared without regard to case."""
        return self.get(username__iexact=username)


class User(AbstractBaseUser):
    """A person. What they may do is in their grants alone."""

    username = models.CharField(
        _("user name"), max_length=64, unique=True, validators=[ASCIIUsernameValidator()]
    )
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(default=clock.now)
    session_round = models.PositiveIntegerField(default=0)  # grows to end every session that began before

    owes_second_factor = False  # of who is signed in: see accounts.backends

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("username"), name="user_name_regardless_of_case")]

    def __str__(self) -> str:
        return self.username

    @property
    def subject(self) -> Subject:
        """This person as the ledger names it."""
        return Subject("person", str(self.pk), self.username)

    @property
    def initials(self) -> str:
        """Two letters for the avatar."""
        words = self.full_name.split()
        return (words[0][0] + words[-1][0] if len(words) > 1 else self.username[:2]).upper()

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session is tied to: another password, or another round, ends it at its next request."""
        salt, value = "hyperclusters.access.session", f"{self.session_round}:{self.password}"
        return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()
