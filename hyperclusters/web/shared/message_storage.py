"""Where a message waits for the next page: a signed cookie, bound to this host like the others."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage


class BoundCookie(CookieStorage):
    """Django's own, which has no setting for its cookie's name."""

    cookie_name = settings.MESSAGES_COOKIE_NAME

    def add(self, level: int, message: str, extra_tags: str | None = "") -> None:
        """Not for HEAD: it changes nothing, and nobody reads its page."""
        if self.request.method != "HEAD":
            super().add(level, message, extra_tags)
