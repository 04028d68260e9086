"""Finds the person of a session."""

from allauth.mfa.models import Authenticator
from django.conf import settings

from hyperclusters.access.backends import ActivePeople
from hyperclusters.access.models import SITE_ROLES, User
from hyperclusters.access.permissions import active_grants, person_in_context

from .models import FACTORS


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
