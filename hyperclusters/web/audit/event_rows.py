"""Events as a list shows them: every word and address made once, in Python, since a page has hundreds of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from django.utils.translation import get_language, gettext, gettext_lazy

from hyperclusters.audit.chain import timestamp
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import EventRow
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Evidence
from hyperclusters.web.shared.listing import quote_key
from hyperclusters.web.texts.causes import CAUSES
from hyperclusters.web.texts.states import OUTCOME_KINDS

LIST = "/audit/"
PAGES = {
    "list": gettext_lazy("events"),
    "event": gettext_lazy("one event"),
    "review": gettext_lazy("the review queue"),
    "report": gettext_lazy("a monthly report"),
}


class Row(NamedTuple):
    """One event, as a tuple: a template unpacks it once instead of looking each field up. The addresses lead to the event, and to what else its person did or happened to its object."""

    url: str
    iso: str
    when: str
    person: str
    person_url: str
    source: str
    action: str
    word: str
    what: str
    what_url: str
    team: str
    kind: str
    outcome: str
    cloud: str
    cloud_short: str
    evidence: str


def rows(events: Iterable[Event | EventRow]) -> list[Row]:
    """These events in the language of this request."""
    language = get_language() or ""
    actions, outcomes, evidence = _actions(language), _outcomes(language), _evidence(language)
    return [
        _unreadable(event.seq)
        if event.at is None
        else _row(
            event,
            actions.get(event.action, event.action),
            *outcomes.get(event.outcome, ("bad", event.outcome)),
            evidence.get(event.evidence, event.evidence),
        )
        for event in events
    ]


def _unreadable(seq: int) -> Row:
    """An event with a stored value that cannot be read."""
    words = {
        "word": gettext("Unreadable: see the integrity check"),
        "kind": "bad",
        "outcome": gettext("Unreadable"),
    }
    texts = dict.fromkeys(Row._fields, "") | {"url": _address(seq), "when": f"#{seq}"} | words
    return Row(**texts)


def _row(event: Event | EventRow, word: str, kind: str, outcome: str, evidence: str) -> Row:
    name, cloud = event.object_name, event.upstream_request_id
    iso = timestamp(event.at)
    return Row(
        url=_address(event.seq),
        iso=iso,
        when=f"{iso[:10]} {iso[11:19]}",
        person=event.person_name,
        person_url=f"{LIST}?person={quote_key(event.person_name)}",
        source=event.source,
        action=event.action,
        word=word,
        what=_what_was_read(name) if event.action == EventType.AUDIT_READ else name,
        what_url=f"{LIST}?cluster={quote_key(name)}",
        team=event.team_name,
        kind=kind,
        outcome=outcome,
        cloud=cloud,
        cloud_short=f"{cloud[:8]}…{cloud[-6:]}" if len(cloud) > 17 else cloud,
        evidence=evidence,
    )


def _address(seq: int) -> str:
    """The event's page. A forged number has none; the integrity check names it."""
    return f"{LIST}{seq}/" if seq > 0 else f"{LIST}chain/"


def _what_was_read(name: str) -> str:
    """A visit as `note_read` names it, in words: "list team=a&range=7d" is "events · team=a · range=7d"."""
    page, _blank, filters = name.partition(" ")
    return " · ".join([str(PAGES.get(page, page)), *filter(None, filters.split("&"))])


@cache
def _actions(_language: str) -> dict[str, str]:
    return {value: (words := str(label))[:1].upper() + words[1:] for value, label in EventType.choices}


@cache
def _outcomes(_language: str) -> dict[str, tuple[str, str]]:
    return {value: (OUTCOME_KINDS[value], str(label)) for value, label in Outcome.choices}


@cache
def _evidence(_language: str) -> dict[str, str]:
    return {value: str(words) for value, words in (*CAUSES.items(), *Evidence.choices)}
