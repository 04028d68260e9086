"""Signing in with a password."""

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from .models import User


class ActivePeople(BaseBackend):
    """Active people with the right password. Unknown names take the time of a known one."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None
    ) -> User | None:
        """The person, or None. Work is done for unknown names too, so that time tells nothing."""
        if not username or password is None:
            return None
        try:
            person = User.objects.get_by_natural_key(username)
        except User.DoesNotExist:
            User().set_password(password)
            return None
        return person if person.check_password(password) and person.is_active else None

    def get_user(self, user_id: int) -> User | None:
        """The signed-in person, as long as they are active: deactivation ends sessions at the next request."""
        return User.objects.filter(pk=user_id, is_active=True).first()
