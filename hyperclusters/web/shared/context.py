"""What every page shows around its content."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.layers import highest
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, active_grants, in_scope, may, scope
from hyperclusters.audit import clock
from hyperclusters.clusters.heartbeat import has_worker_beat, host_with_wrong_clock
from hyperclusters.clusters.models import Cluster, Creation
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.statements import Slot, count
from hyperclusters.web.texts.notices import unread

THEMES = ("light", "dark")
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
        "worker_alive": cache(has_worker_beat),
        "wrong_clock": cache(host_with_wrong_clock),
        "may_create": cache(lambda: may(person, Permission.CREATE)),
        "news_since": cache(lambda: _news_since(person)),
    }


def _nav(request: HttpRequest, person: User) -> tuple[NavItem, ...]:
    visible = entries(person)
    places = {_url(page): entry.page for entry in visible for page in (entry.page, *entry.parts)}
    here = max((url for url in places if request.path.startswith(url)), key=len, default="")
    return tuple(
        NavItem(
            url=_url(entry.page),
            icon=entry.icon,
            label=str(entry.label),
            current=places.get(here) == entry.page and (here != "/" or request.path == "/"),
            badge=entry.count(person) if entry.count else 0,
            badge_words=str(entry.badge_label),
        )
        for entry in visible
    )


def entries(person: User) -> "list[Entry]":
    """The pages that this person may go to."""
    return [entry for entry in ENTRIES if entry.needs is None or may(person, entry.needs)]


_url = cache(reverse)


def _news_since(person: User) -> str:
    """The time from which a page asks whether this person's creations have settled; empty if none is under way."""
    return clock.now().isoformat() if count(_waiting, person=person.pk) else ""


def _waiting() -> CreationQuerySet:
    """One creation without an outcome that this person requested, if there is one."""
    return Creation.objects.unresolved().filter(requested_by=Slot("person", BigIntegerField())).order_by()[:1]


def _running(person: User) -> int:
    return count(_under_way, scope(person, Permission.VIEW))


def _under_way(teams: tuple[int, ...] | None) -> CreationQuerySet:
    return Creation.objects.unresolved().filter(in_scope(teams, team="project__team")).order_by()


def _to_review(person: User) -> int:
    # In no order: to count the first of a queue in its order the database would sort all of it.
    waiting = Creation.objects.visible_to(person).reviewed_as("").order_by()
    elsewhere = Cluster.objects.visible_to(person).unaccounted().order_by()
    n = len(waiting.values_list("pk")[:BADGE])
    return n + len(elsewhere.values_list("pk")[:BADGE])


@dataclass(frozen=True, slots=True)
class Entry:
    """A page one may go to: what one must be allowed to do somewhere, and what its badge counts."""

    page: str
    icon: str
    label: Promise
    needs: Permission | None = None
    count: Callable[[User], int] | None = None
    badge_label: Promise | str = ""
    parts: tuple[str, ...] = ()  # pages below another's address that belong here


ENTRIES = (
    Entry("web:home", "house", _("Home")),
    Entry("web:inbox", "inbox", _("Inbox"), count=unread, badge_label=_("unread")),
    Entry("clusters:list", "grid-2x2", _("Clusters")),
    Entry("creations:list", "zap", _("Creations"), count=_running, badge_label=_("not settled")),
    Entry("audit:list", "book-open-text", _("Audit"), Permission.AUDIT),
    Entry("audit:review", "list-checks", _("Review"), Permission.REVIEW, _to_review, _("to review"), ("audit:messages", "audit:reports")),
    Entry("teams:list", "users", _("Teams"), Permission.MEMBERS, lambda person: waiting_for(person).count(), _("waiting for you")),
    Entry("access:mine", "key", _("My access")),
    Entry("people:list", "shield", _("People"), Permission.APPOINT),
    Entry("projects:list", "cable", _("Projects"), Permission.CONNECT),
)  # fmt: skip


def _person_line(person: User) -> str:
    grants = highest(active_grants(person))
    if not grants:
        return gettext("No access yet")
    if len(grants) > 2:
        return gettext("In several teams")
    return ", ".join(f"{g.get_role_display()} · {g.team}" if g.team else g.get_role_display() for g in grants)
