"""What each view needs of the person who calls it. Every view declares it by `@access`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from hyperclusters.access.models import Team
from hyperclusters.access.permissions import NotPermitted, Permission, Person, may

View = TypeVar("View", bound=Callable[..., Any])  # an endpoint returns what ninja makes an answer of
Kind = Literal["team", "cluster", "creation", "follow_up", "event"]
# The permission without which an object of another team looks absent.
VISIBLE: dict[Kind, Permission] = {
    "team": Permission.MEMBERS,
    "cluster": Permission.VIEW,
    "creation": Permission.VIEW,
    "follow_up": Permission.AUDIT,  # or it is one's own to answer
    "event": Permission.AUDIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one method of a view needs. Build it with `anywhere` or `on`, or use one of the constants below."""

    needs: Permission | None = None  # 403 without it
    or_anywhere: Permission | None = None  # does as well as `needs`
    kind: Kind | None = None  # of the object: 404 where VISIBLE[kind] is missing in its team
    is_anywhere: bool = False  # `needs` in any team is enough, and comes before the object
    is_own: bool = False  # 404 for an object of another person
    is_public: bool = False
    is_denied_by_view: bool = False
    scope: str = ""  # of the JSON API: what the token must be good for

    def with_scope(self, scope: str) -> Rule:
        """The same for an endpoint of the JSON API whose token needs this scope."""
        return replace(self, scope=scope)

    def require(self, person: Person, team: Team | None = None) -> None:
        """Raise NotPermitted unless the person has the permission in this team; without a team, in any."""
        if self.needs is None or may(person, self.needs, team):
            return
        if self.or_anywhere is None or not may(person, self.or_anywhere):
            raise NotPermitted(self.needs, team)


PUBLIC = Rule(is_public=True)
SIGNED_IN = Rule()
OWN = Rule(is_own=True)


def anywhere(needs: Permission, *, on: Kind | None = None, is_denied_by_view: bool = False) -> Rule:
    """The permission in any team, or for the whole site. The middleware checks it, or the view with a page of its own.

    `on`: the kind of the object, which the view looks up among those that are visible to the person.
    """
    return Rule(needs=needs, kind=on, is_anywhere=True, is_denied_by_view=is_denied_by_view)


def on(kind: Kind, needs: Permission | None = None, *, or_anywhere: Permission | None = None) -> Rule:
    """An object that the person can see, and the permission in its team.

    The view looks the object up among those that are visible; then it calls `request.rule.require`, or a service that
    requires the same permission.
    """
    return Rule(kind=kind, needs=needs, or_anywhere=or_anywhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class access:  # noqa: N801 -- a decorator
    """Declare the methods of a view and what each needs. `AccessMiddleware` enforces it; other methods get 405.

    HEAD is answered as GET, except by the API, whose export is an event. `page`: a view that only takes POST leads
    whoever comes by GET to this route, which has `keys` of the view's own address; with `get`, only those who have
    what that needs. `recent`: the person has shown within five minutes who they are. `is_api`: an endpoint of the
    JSON API: who calls proves it by a token, never by a cookie. `before_second_factor`: open to whoever still has to add a second factor.
    `note`: what else docs/permissions.md says.
    """

    get: Rule | None = None
    post: Rule | None = None
    delete: Rule | None = None
    page: str = ""
    keys: tuple[str, ...] = ()
    recent: bool = False
    before_second_factor: bool = False
    is_api: bool = False
    note: str = ""

    def __call__(self, view: View) -> View:
        """Mark the view."""
        view.access = self  # type: ignore[attr-defined]  # as Django marks `login_required`
        return view

    @property
    def methods(self) -> list[str]:
        """The methods that are answered."""
        get = ["GET"] if self.is_api else ["GET", "HEAD"]
        return get * bool(self.get or self.page) + ["POST"] * bool(self.post) + ["DELETE"] * bool(self.delete)

    def rule_for(self, method: str | None) -> Rule | None:
        """What this method needs."""
        return {"POST": self.post, "DELETE": self.delete}.get(method or "", self.get)

    @property
    def is_public(self) -> bool:
        """Whether the view is open to people who are not signed in."""
        return all(rule.is_public for rule in (self.get, self.post, self.delete) if rule)
