"""Access reviews on pages: the form that opens one, and the rows of an open one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.access_reviews import decidable, may_cancel, may_decide
from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.models import AccessReview, Grant, GrantReview, Team
from hyperclusters.access.permissions import Permission, may
from hyperclusters.access.team_admins import SOON
from hyperclusters.audit import clock
from hyperclusters.web.shared.fields import DayField
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import PAGE_SIZE, chosen_value, menu, search_text

DAYS = 14  # offered until the due date
UNUSED_FOR = timedelta(days=30)
PAST = 20  # reviews in the list of past ones
ROW = re.compile(r"g[0-9]{1,18}")  # how the form names a grant
KEEP, END = "keep", "end"


class DueForm(forms.Form):
    """By when a review is to be completed."""

    due = DayField(
        label=_("Due date"),
        help_text=_("Until the end of this day (UTC). Nobody loses access if the review is late."),
        initial=lambda: clock.today() + timedelta(days=DAYS),
    )

    def clean_due(self) -> date:
        """A day that is not over."""
        due: date = self.cleaned_data["due"]
        if due < clock.today():
            raise ValidationError(_("This day is over in UTC. Choose today or a later day."))
        return due


@dataclass(frozen=True, slots=True)
class Row:
    """One grant of an open review: what may be done about it, what is chosen in the form, and what changed meanwhile."""

    item: GrantReview
    is_pending: bool
    may_decide: bool
    needs_somebody_else: bool  # the only admin's own: no admin of the team can decide
    choice: str
    is_changed: bool


def decisions_of(data: QueryDict) -> dict[int, str]:
    """What a form says about each grant."""
    return {int(name[1:]): str(value) for name, value in data.items() if ROW.fullmatch(name)}


def marks_of(data: QueryDict) -> dict[int, str]:
    """The marks of the grants as the form showed them (see `review_context`)."""
    pairs = (part.partition("=") for part in data.get("seen", "").split())
    return {int(name[1:]): mark for name, _equals, mark in pairs if ROW.fullmatch(name)}


def review_context(request: PageRequest, team: Team, draft: QueryDict | None) -> dict[str, Any]:
    """What the page of a team's access review shows."""
    review = AccessReview.objects.open().filter(team=team).select_related("team", "opened_by").first()
    past = AccessReview.objects.filter(team=team).exclude(closed_at=None)
    context: dict[str, Any] = {
        "team": team,
        "review": review,
        "past": past.select_related("team", "opened_by", "closed_by")[:PAST],
        "may_audit": may(request.user, Permission.AUDIT, team),
    }
    return context | (_open_context(request, review, draft or request.POST) if review else {})


def _open_context(request: PageRequest, review: AccessReview, data: QueryDict) -> dict[str, Any]:
    open_items = {each.pk: each for each in review.items.undecided().select_related("grant")}
    still_decidable = set(decidable(review).values_list("pk", flat=True))
    items, filters, is_filtered = _filter(request, review)
    page = Paginator(items, PAGE_SIZE).get_page(request.GET.get("page"))
    choices, marks = decisions_of(data), marks_of(data)
    rows = [
        Row(
            item=each,
            is_pending=each.pk in open_items,
            may_decide=each.pk in open_items and may_decide(request.user, each.grant),
            needs_somebody_else=each.pk in open_items and each.pk not in still_decidable,
            choice=choices.get(each.grant_id, ""),
            is_changed=bool(choices.get(each.grant_id, "") in {KEEP, END})
            and _is_changed(each, open_items, marks),
        )
        for each in page
    ]
    late = Grant.objects.active().filter(team=review.team).exclude(pk__in=review.items.values("grant"))
    total = review.items.count()
    return {
        "page": page,
        "rows": rows,
        "filters": filters,
        "is_filtered": is_filtered,
        "soon": clock.now() + SOON,
        "seen": " ".join(f"g{each.grant_id}={each.mark}" for each in open_items.values()),
        "total": total,
        "decided": total - len(open_items),
        "late": late.select_related("person", "granted_by")[:PAGE_SIZE],
        "may_decide_any": any(row.may_decide for row in rows),
        "own_part": sum(row.may_decide for row in rows) if len(rows) == total else None,
        "may_complete": not still_decidable and may(request.user, Permission.GRANT, review.team),
        "may_cancel": may_cancel(request.user, review),
    }


def _is_changed(item: GrantReview, items: Mapping[int, GrantReview], marks: Mapping[int, str]) -> bool:
    """Whether the grant, or its decision, is no longer as the form that was sent showed it."""
    mark = marks.get(item.grant_id)
    return mark is not None and (item.pk not in items or mark != item.mark)


def _filter(request: PageRequest, review: AccessReview) -> tuple[QuerySet[GrantReview], list[Any], bool]:
    """The grants of the review that the address asks for, each with its person's last use; and the filters."""
    query = request.GET
    special = [("undecided", gettext("Not decided")), ("unused", gettext("Unused for 30 days"))]
    people = ("grant__person", "grant__team", "grant__granted_by", "grant__ended_by", "decided_by")
    items = review.items.with_last_use(review.team).select_related(*people)
    if text := search_text(query):
        items = items.filter(grant__person__username__ascii_lower__contains=ascii_lower(text))
    show = chosen_value(query, "show", special)
    if show == "undecided":
        items = items.filter(pk__in=review.items.undecided())
    elif show == "unused":
        items = items.filter(Q(last_use=None) | Q(last_use__lt=clock.now() - UNUSED_FOR))
    filters = [menu(query, "show", gettext("Show"), special, everything=gettext("Everybody"))]
    return items, filters, bool(text or show)
