"""What a test of the connection found, in words: what it means, and what to do."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.clusters.breaker import opened_at
from hyperclusters.clusters.models import ConnectionTest, Diagnosis, Project
from hyperclusters.web.texts.causes import Text, cause_of, is_about_request, join_sentences
from hyperclusters.web.texts.states import StatusText

# What to look at, by what was found.
ADVICE: dict[str, Text] = {
    Diagnosis.CLOCK: _(
        "Set this machine's clock by a time server: requests whose time is more than 15 minutes off are refused."
    ),
    Diagnosis.KEY: _(
        "Replace the key on this page. Is the secret the one that belongs to this access key ID, and is the key enabled? "
        "Calls are paused for 5 minutes, because the cloud locks a key after more than 5 bad signatures."
    ),
    Diagnosis.DENIED: _(
        "The key is genuine. Does the project ID belong to this region and to the key's account, and is the key "
        "permitted to use ModelArts there?"
    ),
    Diagnosis.PARTLY: _(
        "Below is what happened to each list. Where a right is missing, add it to the key, then test again."
    ),
    Diagnosis.ENDPOINT: _(
        "The host answers but has no hyper clusters under this address. Is it the endpoint of the right region?"
    ),
    Diagnosis.LOOKUP: _("Is the endpoint spelled right, and does the worker's machine have a name server?"),
    Diagnosis.NETWORK: _(
        "Look at the worker's machine: a firewall, a route or a missing proxy exception keeps it from the endpoint."
    ),
    Diagnosis.TLS: _(
        "Something on the way answers in the cloud's place, or its certificate is not for this host."
    ),
    Diagnosis.SILENT: _("Try again in a minute. If it stays so, something on the way swallows answers."),
    Diagnosis.THROTTLED: _("Try again in a minute."),
    Diagnosis.STOPPED: _(
        "This test sent nothing: an earlier call failed, and calls are paused. They resume by themselves."
    ),
    Diagnosis.NO_KEY: _("Nothing was sent. Replace the key on this page."),
}
LISTS: dict[str, tuple[Text, Text]] = {  # by list: what it names, and without the right to it
    "HPS": (_("HPS clusters"), _("The key lacks the right to list HPS clusters.")),
    "ECS": (_("ECS clusters"), _("The key lacks the right to list ECS clusters.")),
    "supernodes": (_("Supernodes"), _("The key lacks the right to list supernodes.")),
    "groups": (_("Groups"), _("The key lacks the right to list groups of supernodes.")),
}  # fmt: skip
NOT_READ = _("This list was not read.")
INSIDE_UNKNOWN = _("What is inside HPS clusters stays unknown, and deleting one needs an override.")
KINDS = {
    Diagnosis.WELL: "good",
    Diagnosis.PARTLY: "warn",
    Diagnosis.CLOCK: "warn",
    Diagnosis.THROTTLED: "warn",
    Diagnosis.STOPPED: "warn",
}


def diagnosis(test: ConnectionTest) -> StatusText:
    """A test in words."""
    if test.done_at is None:
        return StatusText(
            "wait",
            gettext("Testing the connection"),
            gettext("A worker is reading the cloud's lists. Nothing is changed."),
        )
    result = Diagnosis(test.diagnosis)
    kind = KINDS.get(result, "bad")
    if result == Diagnosis.WELL or test.clusters is not None:
        return StatusText(
            kind, str(result.label), join_sentences(_list_answer_text(test), _clock(test), _advice(result))
        )
    what = cause_of(test.cause, test.code, test.message)
    return StatusText(kind, str(result.label), join_sentences(what, _clock(test), _advice(result)))


def pause_of(project: Project) -> StatusText | None:
    """That calls are paused, since when and why, in words; None if they are not."""
    if not project.is_paused:
        return None
    code = project.blocked_code
    why = cause_of(project.blocked_cause, code, is_clear=False if is_about_request(code) else None)
    if since := opened_at(project):
        since = since.astimezone(UTC)
        pattern = "H:i" if since.date() == clock.today() else gettext("j M Y, H:i")
        time = date_format(since, pattern)
        return StatusText("warn", gettext("Paused since %(time)s UTC") % {"time": time}, why)
    return StatusText("warn", gettext("Paused"), why)


def list_lines(test: ConnectionTest) -> list[dict[str, object]]:
    """A line for each list that a test read or tried to read: kind, name, sentence and the cloud's code."""
    return [_list_line(row) for row in test.lists or [] if row["list"] in LISTS]


def _list_line(row: dict[str, Any]) -> dict[str, object]:
    name, lacks_right = LISTS[row["list"]]
    line = {"name": name, "code": row.get("code", "")}
    if row["diagnosis"] == Diagnosis.WELL:
        return line | {"kind": "good", "text": gettext("%(n)d listed") % {"n": row["count"]}}
    if row["cause"] == "not_read":
        return line | {"kind": "warn", "text": NOT_READ}
    effect = str(INSIDE_UNKNOWN) if row["list"] in {"supernodes", "groups"} else ""
    if row["diagnosis"] == Diagnosis.DENIED:
        return line | {"kind": "bad", "text": join_sentences(str(lacks_right), effect)}
    why = cause_of(row["cause"], row["code"], row["message"])
    return line | {"kind": "bad", "text": join_sentences(why, effect)}


def _list_answer_text(test: ConnectionTest) -> str:
    return gettext("The cloud accepted the key in %(seconds)s s.") % {"seconds": f"{test.seconds:.2f}"}


def _clock(test: ConnectionTest) -> str:
    if test.clock_offset is None:
        return ""
    seconds = round(test.clock_offset.total_seconds())
    template = (
        gettext(
            "The cloud's clock is %(seconds)d s ahead of this machine's; requests are signed by the cloud's clock."
        )
        if seconds > 0
        else gettext(
            "The cloud's clock is %(seconds)d s behind this machine's; requests are signed by the cloud's clock."
        )
    )
    return template % {"seconds": abs(seconds)}


def _advice(kind: Diagnosis) -> str:
    return str(ADVICE.get(kind, ""))
