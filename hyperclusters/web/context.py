"""What every page shows around its content."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Action, held, may
from hyperclusters.access.requests import waiting_for
from hyperclusters.clusters.heartbeat import is_a_worker_alive
from hyperclusters.clusters.models import Creation

from .views.home import THEMES

BADGE = 99  # more than this is not counted on every page


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the sidebar."""

    url: str
    icon: str
    label: str
    current: bool
    badge: int = 0
    badge_words: str = ""


def page(request: HttpRequest) -> dict[str, Any]:
    """Context for base.html. Works for error pages too, where little is known of the request."""
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    person = getattr(request, "user", None)
    shared = {
        "demo": settings.DEMO,
        "theme": theme if theme in THEMES else "",
        "languages": tuple(settings.LANGUAGES),
        "person": None,
        "request_id": request.META.get("REQUEST_ID", ""),
    }
    if not isinstance(person, User):
        return shared
    # Asked for when first shown: a fragment shows none of this.
    return shared | {
        "person": person,
        "person_line": cache(lambda: _person_line(person)),
        "nav": cache(lambda: _nav(request, person)),
        "worker_alive": cache(is_a_worker_alive),
        "may_create": cache(lambda: may(person, Action.CREATE)),
    }


def _nav(request: HttpRequest, person: User) -> tuple[NavItem, ...]:
    running = Creation.objects.visible_to(person).unresolved().count()
    entries = [
        (reverse("web:home"), "house", _("Home"), 0, ""),
        (reverse("clusters:list"), "grid-2x2", _("Clusters"), 0, ""),
        (reverse("creations:list"), "zap", _("Creations"), running, _("not settled")),
    ]
    if may(person, Action.AUDIT):
        entries.append((reverse("audit:list"), "book-open-text", _("Audit"), 0, ""))
    if may(person, Action.REVIEW):
        # In no order: to count the first of a queue in its order the database would sort all of it.
        waiting = Creation.objects.visible_to(person).reviewed_as("").order_by()[:BADGE].count()
        entries.append((reverse("audit:review"), "list-checks", _("Review"), waiting, _("to review")))
    if may(person, Action.MEMBERS):
        waiting = waiting_for(person).count()
        entries.append((reverse("teams:list"), "users", _("Teams"), waiting, _("waiting for you")))
    entries.append((reverse("access:mine"), "key", _("My access"), 0, ""))
    if may(person, Action.APPOINT):
        entries.append((reverse("people:list"), "shield", _("People"), 0, ""))
    if may(person, Action.CONNECT):
        entries.append((reverse("projects:list"), "cable", _("Projects"), 0, ""))
    here = max((url for url, *_ in entries if request.path.startswith(url)), key=len, default="")
    return tuple(
        NavItem(
            url,
            icon,
            label,
            current=url == here and (url != "/" or request.path == "/"),
            badge=n,
            badge_words=words,
        )
        for url, icon, label, n, words in entries
    )


def _person_line(person: User) -> str:
    grants = held(person)
    if not grants:
        return _("No access yet")
    if len(grants) > 2:
        return _("In several teams")
    return ", ".join(f"{g.get_role_display()} · {g.team}" if g.team else g.get_role_display() for g in grants)
