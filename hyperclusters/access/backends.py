"""Authenticates by password."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from .models import User


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
