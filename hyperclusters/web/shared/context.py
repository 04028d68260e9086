"""What every page shows around its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.layers import highest
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Anyone, Permission, active_grants, anyone_like, may
from hyperclusters.audit import clock
from hyperclusters.clusters.heartbeat import has_worker_beat, host_with_wrong_clock
from hyperclusters.clusters.models import Cluster, Creation
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.clusters.models.inventory import ClusterQuerySet
from hyperclusters.statements import Build, counts
from hyperclusters.web.texts.drafts import NOT_TAKEN
from hyperclusters.web.texts.notices import unread, unread_endings, unread_since

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
    context = {
        "demo": settings.DEMO,
        "theme": theme if theme in THEMES else "",
        "languages": tuple(settings.LANGUAGES),
        "person": None,
        "request_id": request.META.get("REQUEST_ID", ""),
        "not_taken": NOT_TAKEN.get(getattr(request, "why_not_taken", ""), ""),
    }
    if not isinstance(person, User):
        return context
    # Asked for when first shown: a fragment shows none of this.
    visible = cache(lambda: entries(person))
    numbers = cache(lambda: frame_numbers(person, visible()))
    return context | {
        "person": person,
        "person_line": cache(lambda: _person_line(person)),
        "nav": cache(lambda: _nav(request, person, visible(), numbers())),
        "worker_alive": cache(has_worker_beat),
        "wrong_clock": cache(host_with_wrong_clock),
        "may_create": cache(lambda: may(person, Permission.CREATE)),
        # From when on the page asks whether this person's creations have settled; empty if none is under way.
        "news_since": cache(lambda: clock.now().isoformat() if numbers()[own_under_way] else ""),
    }


def _nav(
    request: HttpRequest, person: User, visible: list[Entry], numbers: dict[Build[Any], int]
) -> tuple[NavItem, ...]:
    places = {_url(page): entry.page for entry in visible for page in (entry.page, *entry.parts)}
    path = getattr(request, "menu_path", request.path)
    here = max((url for url in places if path.startswith(url)), key=len, default="")
    return tuple(
        NavItem(
            url=_url(entry.page),
            icon=entry.icon,
            label=str(entry.label),
            current=places.get(here) == entry.page and (here != "/" or request.path == "/"),
            badge=entry.badge(person, numbers),
            badge_words=str(entry.badge_label),
        )
        for entry in visible
    )


def entries(person: User) -> list[Entry]:
    """The pages that this person may go to."""
    return [entry for entry in ENTRIES if entry.needs is None or may(person, entry.needs)]


_url = cache(reverse)


def frame_numbers(person: User, visible: list[Entry]) -> dict[Build[Any], int]:
    """How many rows each queryset has that the frame counts for this person. One statement."""
    builds = (own_under_way, *(build for entry in visible for build in entry.counts))
    values = {"person": person.pk, "username": person.username, "since": unread_since(person)}
    return dict(zip(builds, counts(builds, anyone_like(person), **values), strict=True))


def own_under_way(person: Anyone) -> CreationQuerySet:
    """One creation without an outcome that this person requested, if there is one."""
    return Creation.objects.unresolved().filter(requested_by=person.pk).order_by()[:1]


def _under_way(person: Anyone) -> CreationQuerySet:
    return Creation.objects.visible_to(person).unresolved().order_by()


# In no order: to count the first of a queue in its order the database would sort all of it.
def _creations_to_review(person: Anyone) -> CreationQuerySet:
    return Creation.objects.visible_to(person).reviewed_as("").order_by()[:BADGE]


def _clusters_to_explain(person: Anyone) -> ClusterQuerySet:
    return Cluster.objects.visible_to(person).unaccounted().order_by()[:BADGE]


@dataclass(frozen=True, slots=True)
class Entry:
    """A page one may go to: what one must be allowed to do somewhere, and what its badge counts: rows, and what is
    known without the database."""

    page: str
    icon: str
    label: Promise
    needs: Permission | None = None
    counts: tuple[Build[Any], ...] = ()
    badge_label: Promise | str = ""
    parts: tuple[str, ...] = ()  # pages below another's address that belong here
    extra_count: Callable[[User], int] | None = None

    def badge(self, person: User, numbers: dict[Build[Any], int]) -> int:
        """The number beside it."""
        return sum(numbers[build] for build in self.counts) + (
            self.extra_count(person) if self.extra_count else 0
        )


ENTRIES = (
    Entry("web:home", "house", _("Home")),
    Entry("web:inbox", "inbox", _("Inbox"), None, (unread,), _("unread"), extra_count=unread_endings),
    Entry("clusters:list", "grid-2x2", _("Clusters")),
    Entry("creations:list", "zap", _("Creations"), None, (_under_way,), _("not settled")),
    Entry("audit:list", "book-open-text", _("Audit"), Permission.AUDIT),
    Entry("audit:review", "list-checks", _("Review"), Permission.REVIEW, (_creations_to_review, _clusters_to_explain), _("to review"), ("audit:messages", "audit:reports")),
    Entry("teams:list", "users", _("Teams"), Permission.MEMBERS, (waiting_for,), _("waiting for you"), parts=("people:add_team",)),
    Entry("access:mine", "key", _("My access")),
    Entry("people:list", "contact-round", _("People"), Permission.APPOINT),
    Entry("projects:list", "cable", _("Projects"), Permission.CONNECT),
)  # fmt: skip


def _person_line(person: User) -> str:
    grants = highest(active_grants(person))
    if not grants:
        return gettext("No access yet")
    if len(grants) > 2:
        return gettext("In several teams")
    return ", ".join(f"{g.get_role_display()} · {g.team}" if g.team else g.get_role_display() for g in grants)
