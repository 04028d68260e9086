"""Who a session belongs to."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import Exists, OuterRef

from hyperclusters.access.backends import ActivePeople
from hyperclusters.access.models import SITE_ROLES, Grant, User

from .models import FACTORS


class SignedInPeople(ActivePeople):
    """As for a password; and whether the person owes a second factor comes along in the same query."""

    def get_user(self, user_id: int) -> User | None:
        people = User.objects.filter(pk=user_id, is_active=True)
        if settings.SECOND_FACTOR:
            site = Grant.objects.active().filter(person=OuterRef("pk"), role__in=SITE_ROLES)
            has = Authenticator.objects.filter(user=OuterRef("pk"), type__in=FACTORS)
            people = people.annotate(owes_second_factor=Exists(site) & ~Exists(has))
        return people.first()
