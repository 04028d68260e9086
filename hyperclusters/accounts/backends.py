"""Authenticates by password, and finds the person of a session."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from hyperclusters.access.models import SITE_ROLES, User
from hyperclusters.access.permissions import active_grants, person_in_context

from .models import FACTORS


class ActivePeople(BaseBackend):
    """Active people with the right password. Unknown names take as long as known ones."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:  # noqa: ARG002
        """The person of `username` and `password`, or None. Unknown names cost the same work, so time reveals
        nothing."""
        username, password = credentials.get("username"), credentials.get("password")
        if not username or password is None:
            return None
        try:
            person = User.objects.get_by_natural_key(username)
        except User.DoesNotExist:
            User().set_password(password)
            return None
        return person if person.check_password(password) and person.is_active else None

    def get_user(self, user_id: int) -> User | None:
        """The signed-in person, while active: deactivation ends sessions at the next request."""
        return User.objects.filter(pk=user_id, is_active=True).first()


class SignedInPeople(ActivePeople):
    """As for a password; also whether the person lacks a required second factor."""

    def get_user(self, user_id: int) -> User | None:
        person = person_in_context(user_id) or super().get_user(user_id)
        # The page needs the grants as well: they are read once per request.
        if (
            person
            and settings.SECOND_FACTOR
            and any(grant.role in SITE_ROLES for grant in active_grants(person))
        ):
            factors = Authenticator.objects.filter(user=person, type__in=FACTORS)
            person.owes_second_factor = not factors.exists()
        return person
