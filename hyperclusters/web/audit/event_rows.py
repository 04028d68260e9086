"""Events as a list shows them: every word and address made once, in Python, since a page has hundreds of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import accumulate, groupby, islice
from typing import NamedTuple

from django.utils.translation import get_language, gettext, ngettext

from hyperclusters.audit.chain import timestamp
from hyperclusters.audit.findings import IssueKind
from hyperclusters.audit.integrity import IntegrityStatus
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import EventRow
from hyperclusters.audit.readable import values
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.audit.periods import PERIODS
from hyperclusters.web.audit.query import AuditForm, action_options, outcome_options
from hyperclusters.web.shared.listing import quote_key
from hyperclusters.web.texts.causes import NETWORK, cause_of
from hyperclusters.web.texts.events import (
    PAGES,
    QUEUE_PARTS,
    READ_FIELDS,
    RESULTS,
    SOURCES,
    evidence_text,
    names_object,
    sentence_parts,
)
from hyperclusters.web.texts.grants import day
from hyperclusters.web.texts.states import OUTCOME_KINDS

LIST = "/audit/"
FAILURES = {Outcome.FAILED, Outcome.REFUSED, Outcome.DENIED, Outcome.UNKNOWN}
OPERATIONS = {"creation", "deletion"}  # whose events belong together, whichever request they are of
REQUESTS = {EventType.CREATE_REQUESTED, EventType.DELETE_REQUESTED}
SUCCESSES = {EventType.CREATE_SUCCEEDED, EventType.DELETE_SUCCEEDED}
NAMES = 3  # of people that a row shows
LONG = 160  # characters of a message that a row shows


class Row(NamedTuple):
    """One event, as a tuple: a template unpacks it once instead of looking each field up.

    The addresses lead to the event, and to what else its person did or happened to its object. `before` and `after`
    stand around the object; `word` is the action by itself. `code` and `message` say why it failed, or what for it was
    done. `mark`: says that the event is archived; `edit`: that it was edited in the database.
    """

    url: str
    iso: str
    when: str
    time: str
    person: str
    person_url: str
    source: str
    action: str
    word: str
    before: str
    what: str
    what_url: str
    after: str
    team: str
    kind: str
    outcome: str
    code: str
    message: str
    cloud: str
    group: str
    seq: int
    mark: str = ""
    edit: str = ""


class Group(NamedTuple):
    """One row of the list, led by the newest of its events; the others can be opened (see `days`)."""

    lead: Row
    others: list[Row]

    @property
    def more(self) -> str:
        """How many further reviews or sign-ins it has, and whose; empty for the events of one request."""
        if all(other.group == self.lead.group for other in self.others):
            return ""
        people = list(dict.fromkeys(other.person or other.source for other in self.others))
        if self.lead.action == EventType.CREATE_REVIEWED:
            words = ngettext("%(n)s more", "%(n)s more", len(self.others))
        elif people == [self.lead.person]:
            words = ngettext("%(n)s more sign-in", "%(n)s more sign-ins", len(self.others))
        else:
            words = ngettext("%(n)s more by %(people)s", "%(n)s more by %(people)s", len(self.others))
        return words % {
            "n": len(self.others),
            "people": ", ".join(people[:NAMES]) + ("…" if people[NAMES:] else ""),
        }


class Day(NamedTuple):
    """The groups whose leading event is of one day."""

    word: str
    groups: list[Group]


def rows(events: Iterable[Event | EventRow]) -> list[Row]:
    """These events in the language of this request."""
    language, page = get_language() or "", list(events)
    places = _stored_places([event.seq for event in page if event.at is None])
    return [
        _unreadable(event.seq, *places.get(event.seq, ("", "")))
        if event.at is None
        else _row(event, language)
        for event in page
    ]


def _stored_places(seqs: list[int]) -> dict[int, tuple[str, str]]:
    """Time and group of events that cannot be read, as they are stored: they say only where each stands in the list."""
    if not seqs:
        return {}
    columns = ("at", "object_kind", "object_id", "request_id")
    places = values(Event.objects.filter(seq__in=seqs), *columns)
    return {
        seq: (timestamp(at), object_id if kind in OPERATIONS else request_id)
        for seq, at, kind, object_id, request_id in places
        if at is not None
    }


def with_edits(page: Iterable[Row], status: IntegrityStatus) -> list[Row]:
    """The rows; those of events of which verification found something say so."""
    marked_rows = []
    for row in page:
        kinds = {each.kind for each in status.findings_of(row.seq)} if row.action else set()
        word = gettext("Edited") if IssueKind.EDITED in kinds else gettext("Doubtful") if kinds else ""
        marked_rows.append(row._replace(edit=word) if word else row)
    return marked_rows


def days(page: Sequence[Row], *, folds_sign_ins: bool = False) -> list[Day]:
    """The rows by day, with the events of one request behind the newest of them, and so the sign-ins of one day and one
    person's reviews of one second. No unreadable event is behind another one, and an edited one marks the one before it.
    A success has the reason of its request."""
    groups: dict[str, Group] = {}
    reviews = Counter(map(_review_key, page))
    for row in page:
        review = _review_key(row)
        own_key = review if review and reviews[review] > 1 else row.group or row.url
        key = f"{row.iso[:10]} in" if folds_sign_ins and row.action == EventType.SIGNED_IN else own_key
        if key not in groups:
            groups[key] = Group(row, [])
        elif not row.action:
            groups[row.url] = Group(row, [])
        else:
            lead, others = groups[key]
            reason = row.message if lead.action in SUCCESSES and row.action in REQUESTS else ""
            lead = lead._replace(edit=lead.edit or row.edit, message=reason or lead.message)
            groups[key] = Group(lead, [*others, row])
    in_order = list(groups.values())
    parts = groupby(zip(_days_of(in_order), in_order, strict=True), key=lambda pair: pair[0])
    return [Day(_day(iso), [group for _, group in part]) for iso, part in parts]


def _review_key(row: Row) -> str:
    """The same for the reviews of one person in one second; empty for any other event."""
    return f"{row.iso[:19]} {row.person}" if row.action == EventType.CREATE_REVIEWED else ""


def _days_of(groups: Sequence[Group]) -> Iterator[str]:
    """The day of each group; without a time that of its neighbour."""
    known_days = [group.lead.iso[:10] for group in groups]
    first = next(filter(None, known_days), "")
    return islice(accumulate(known_days, lambda before, day: day or before, initial=first), 1, None)


def _day(iso: str) -> str:
    return _day_words(iso, get_language() or "") if iso else gettext("Unreadable")


@cache
def _day_words(iso: str, _language: str) -> str:
    return day(datetime.fromisoformat(iso))


def _unreadable(seq: int, iso: str, group: str) -> Row:
    """An event with a stored value that cannot be read."""
    words = {
        "what": gettext("Event %(number)d can't be read") % {"number": seq},
        "after": gettext(": who acted, and on what, is unknown"),
        "what_url": _address(seq),
        "kind": "bad",
        "outcome": gettext("Unreadable"),
    }
    place = {"url": _address(seq), "iso": iso, "when": f"#{seq}", "time": f"#{seq}", "group": group}
    texts = dict.fromkeys(Row._fields, "") | place | words
    return Row(**texts | {"seq": seq})  # type: ignore[arg-type]


def _row(event: Event | EventRow, language: str) -> Row:
    action, name = event.action, event.object_name
    iso = timestamp(event.at)
    word = _actions(language).get(action, action)
    before, after = sentence_parts(action, language) or (word, "")
    what = what_was_read(name) if action == EventType.AUDIT_READ else name
    if not what and names_object(action, language):
        is_again = event.evidence == "repeated"  # of several objects
        before, after = gettext("tried again: %(action)s") % {"action": word} if is_again else word, ""
    code, message = _result(event, language)
    return Row(
        url=_address(event.seq),
        iso=iso,
        when=f"{iso[:10]} {iso[11:19]}",
        time=iso[11:19],
        person=event.person_name,
        person_url=f"{LIST}?person={quote_key(event.person_name)}",
        source=str(SOURCES.get(event.source, event.source)),
        action=action,
        word=word,
        before=before,
        what=what if names_object(action, language) or action not in _actions(language) else "",
        what_url="" if action == EventType.AUDIT_READ else f"{LIST}?cluster={quote_key(name)}",
        after=after,
        team=event.team_name,
        kind=OUTCOME_KINDS.get(event.outcome, "bad"),
        outcome=str(RESULTS.get(action) or _outcomes(language).get(event.outcome, event.outcome)),
        code=code,
        message=message,
        cloud=event.upstream_request_id,
        group=event.object_id if event.object_kind in OPERATIONS else event.request_id,
        seq=event.seq,
        mark=gettext("Archived") if isinstance(event, Event) and event.is_archived else "",
    )


def _result(event: Event | EventRow, language: str) -> tuple[str, str]:
    """The code and the message of a failure; of anything else its reason or evidence."""
    if event.outcome not in FAILURES:
        quote = gettext("“%(reason)s”") % {"reason": event.reason[:LONG]} if event.reason else ""
        return "", quote or evidence_text(event.evidence, language)
    answer = event.response or {}
    code = str(answer.get("code") or "")
    message = str(answer.get("message") or "")[:LONG]
    cause = str(answer.get("cause") or "")
    if not message or cause in NETWORK:
        is_clear = False if answer.get("proves") == "nothing" else None  # None: as the status says
        words = evidence_text(event.evidence, language) if event.evidence else ""
        message = words or cause_of(cause, code, is_clear=is_clear)
    return code, message or event.reason[:LONG]


def _address(seq: int) -> str:
    """The event's page. A forged number has none; the integrity check names it."""
    return f"{LIST}{seq}/" if seq > 0 else f"{LIST}chain/"


def what_was_read(name: str) -> str:
    """A visit as `note_read` names it, in words: "list team=a&range=7d" is "the audit · Team: a · Time: Last 7 days"."""
    page, _blank, filters = name.partition(" ")
    if page == "event" and filters.startswith("seq="):
        return gettext("event %(number)s") % {"number": filters[4:]}
    words = [str(PAGES.get(page, page))]
    for each in filter(None, filters.split("&")):
        key, mark, value = each.partition("=")
        label = _labels(get_language() or "").get(key, key)
        values_ = [_value_words(get_language() or "").get((key, part), part) for part in value.split(",")]
        words.append(f"{label}: {', '.join(values_)}" if mark else each)
    return " · ".join(words)


@cache
def _labels(_language: str) -> dict[str, str]:
    labels = {name: field.label for name, field in AuditForm.base_fields.items() if field.label}
    return {name: str(label) for name, label in (labels | READ_FIELDS).items()}


@cache
def _value_words(language: str) -> dict[tuple[str, str], str]:
    options = {
        "action": action_options(language),
        "outcome": outcome_options(language),
        "range": [(name, str(word)) for name, word in PERIODS.items()],
        "show": [(name, str(word)) for name, word in QUEUE_PARTS.items()],
    }
    return {(name, value): word for name, pairs in options.items() for value, word in pairs}


@cache
def _actions(language: str) -> dict[str, str]:
    return dict(action_options(language))


@cache
def _outcomes(language: str) -> dict[str, str]:
    return dict(outcome_options(language))
