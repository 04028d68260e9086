"""What verification found, as sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.audit.chain import COLUMNS
from hyperclusters.audit.chain_verifier import END, NUMBERS_REUSED
from hyperclusters.audit.findings import IntegrityIssue, IssueKind

IN_FILE = re.compile(
    r"(.*?)(?:(?:, |^)in ([^,]+\.jsonl\S*))?", re.DOTALL
)  # the detail of a finding in an archive
NAME = r"[a-z_]+"
COLUMN_WORDS: dict[str, str | Promise] = {
    "seq": gettext_lazy("number"),
    "at": gettext_lazy("time"),
    "action": gettext_lazy("action"),
    "outcome": gettext_lazy("outcome"),
    "person_id": gettext_lazy("ID of the person"),
    "person_name": gettext_lazy("person"),
    "team_id": gettext_lazy("ID of the team"),
    "team_name": gettext_lazy("team"),
    "project_name": gettext_lazy("project"),
    "object_kind": gettext_lazy("kind of object"),
    "object_id": gettext_lazy("ID of the object"),
    "object_name": gettext_lazy("object"),
    "reason": gettext_lazy("reason"),
    "evidence": gettext_lazy("evidence"),
    "source": gettext_lazy("source"),
    "ip": gettext_lazy("IP address"),
    "request_id": gettext_lazy("request ID"),
    "upstream_request_id": gettext_lazy("cloud request ID"),
    "before": gettext_lazy("state before"),
    "after": gettext_lazy("state after"),
    "request": gettext_lazy("request"),
    "response": gettext_lazy("response"),
    "key_id": gettext_lazy("key"),
    "canonical": gettext_lazy("sealed text"),
    "digest": gettext_lazy("digest"),
}
# Each detail that verification writes of itself: how it reads there, and here. `columns` are names of columns.
DETAILS: dict[str, str | Promise] = {
    "replaced": gettext_lazy("The sealed text and its digest were replaced"),
    END: gettext_lazy("The record of the chain's end"),
    NUMBERS_REUSED: gettext_lazy("Later events have taken their numbers"),
    r"a copy of event (?P<number>-?\d+)": gettext_lazy("A copy of event %(number)s"),
    r"it stands at (?P<number>-?\d+)": gettext_lazy("It now has the number %(number)s"),
    rf"it stands at (?P<number>-?\d+) with another (?P<columns>{NAME}(?:, {NAME})*)": gettext_lazy(
        "It now has the number %(number)s. Also changed: %(columns)s"
    ),
    r"it stands at (?P<number>-?\d+), (?P<rest>.+)": gettext_lazy(
        "It now has the number %(number)s. %(rest)s"
    ),
    "an anchor has seen these events": gettext_lazy("An anchor has recorded these events"),
    "a verification has seen these events": gettext_lazy("A verification has seen these events"),
    "an anchor has seen another event here": gettext_lazy("An anchor has recorded another event here"),
    "a verification has seen another event here": gettext_lazy("A verification has seen another event here"),
    "two anchors have seen different events": gettext_lazy("Two anchors have recorded different events"),
    "(?:an anchor|a verification) and another witness have seen different events": gettext_lazy(
        "An anchor and a verification have recorded different events"
    ),
    "sealed with '(?P<key>.*)', which is none of AUDIT_KEYS": gettext_lazy(
        "Sealed with the key %(key)s, which is not in AUDIT_KEYS"
    ),
    "key '(?P<key>.*)'": gettext_lazy("Sealed with the key %(key)s"),
    rf"cannot be read: (?P<columns>{NAME}(?:, {NAME})*)": gettext_lazy(
        "These values can't be read: %(columns)s"
    ),
    "the search has other words for it": gettext_lazy("The search index has other words for this event"),
    "the search does not find what its index has": gettext_lazy(
        "The search does not find all that its index holds"
    ),
    r"index (?P<name>\w+)": gettext_lazy("The index %(name)s does not fit the events"),
    r"CHECK constraint failed in (?P<name>\w+)": gettext_lazy(
        "A stored value breaks a rule of the table %(name)s"
    ),
    "its number is (?P<number>.*)": gettext_lazy("Its number is %(number)s"),
    r"trigger (?P<name>\w+) is missing": gettext_lazy("Missing trigger: %(name)s"),
    "(?P<thing>.+) is missing": gettext_lazy("Missing: %(thing)s"),
    "(?P<thing>.+) is not ours": gettext_lazy("Added by somebody else: %(thing)s"),
    "(?P<thing>.+) was changed or switched off": gettext_lazy("Changed or switched off: %(thing)s"),
    "the records of anchors": gettext_lazy("The records of anchors"),
    "the records of archives": gettext_lazy("The records of archives"),
    "the database's catalogue cannot be read": gettext_lazy("The database's catalogue can't be read"),
    "its manifest is missing or was edited": gettext_lazy("Its manifest is missing or was edited"),
    "its manifest is of other events": gettext_lazy("Its manifest is of other events"),
    "the file is not the one that was sealed": gettext_lazy("The file is not the one that was sealed"),
    "it does not continue the archive before it": gettext_lazy("It does not continue the archive before it"),
    "the next event does not continue it": gettext_lazy("The next event does not continue it"),
    "restored from (?P<file>.+)": gettext_lazy("Restored from %(file)s"),
}
PATTERNS = [(re.compile(pattern, re.DOTALL), words) for pattern, words in DETAILS.items()]


def detail_text(issue: IntegrityIssue) -> str:
    """What shows the finding, as a sentence; text of the database stays as it is."""
    match = IN_FILE.fullmatch(issue.detail)
    detail, file = match.groups() if match else (issue.detail, None)
    words = _sentence(detail)
    if file:
        return f"{words} ({file})" if words else file
    return words


def _sentence(detail: str) -> str:
    names = detail.split(", ")
    if all(name in COLUMNS for name in names):
        return _("Changed: %(columns)s") % {"columns": _columns(detail)}
    for pattern, words in PATTERNS:
        if match := pattern.fullmatch(detail):
            values = match.groupdict()
            if "columns" in values:
                values["columns"] = _columns(values["columns"])
            if "rest" in values:
                values["rest"] = _sentence(values["rest"])
            return str(words) % values
    return detail


def _columns(names: str) -> str:
    """These columns, as pages name what they hold."""
    return _(", ").join(str(COLUMN_WORDS.get(name, name)) for name in names.split(", "))


def event_notice(findings: Sequence[IntegrityIssue]) -> tuple[str, str] | None:
    """The title and the sentence above a readable event of which these were found; None if nothing was."""
    if not findings:
        return None
    if all(each.kind == IssueKind.RESEALED for each in findings):
        return (
            _("This event may be forged"),
            _("It is sealed with a key that is not the current one."),
        )
    return (
        _("Somebody edited this event in the database"),
        _("The event's columns differ from its sealed text. This page shows the sealed text."),
    )
