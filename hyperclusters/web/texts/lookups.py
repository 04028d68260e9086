"""What IAM answered to a request for a key's projects, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.clusters.lookups import KEY_REFUSED, FoundProject
from hyperclusters.clusters.models import ProjectLookup
from hyperclusters.web.texts.causes import cause_of, join_sentences
from hyperclusters.web.texts.states import StatusText


def lookup_status(lookup: ProjectLookup, projects: list[FoundProject], others: int) -> StatusText:
    """A lookup in words. `others`: how many projects belong to other regions."""
    if lookup.done_at is None:
        return StatusText(
            "wait",
            _("Asking IAM for projects"),
            _("A worker asks with your key. You can type the project ID meanwhile."),
        )
    if lookup.rows is None:
        return _failure(lookup)
    if projects:
        title = ngettext("%(n)d project to choose from", "%(n)d projects to choose from", len(projects))
        return StatusText("good", title % {"n": len(projects)}, _elsewhere(lookup, others))
    if others:
        title = _("No project in %(region)s") % {"region": lookup.region}
        text = join_sentences(
            _elsewhere(lookup, others), _("Is it the right region? You can type the project ID.")
        )
        return StatusText("warn", title, text)
    return StatusText(
        "warn",
        _("No project listed"),
        _("IAM listed no project for this key. You can type the project ID."),
    )


def _failure(lookup: ProjectLookup) -> StatusText:
    if lookup.cause == KEY_REFUSED and not lookup.has_key:
        text = _(
            "IAM refused it, so we deleted it. Does the secret belong to this access key ID, and is the key enabled?"
        )
        return StatusText("bad", _("Key not accepted"), text)
    return StatusText(
        "warn",
        _("Projects could not be listed"),
        join_sentences(
            cause_of(lookup.cause, lookup.code, lookup.message), _("Type the project ID, or ask again.")
        ),
    )


def _elsewhere(lookup: ProjectLookup, others: int) -> str:
    if not others:
        return ""
    text = ngettext(
        "%(n)d more belongs to another region than %(region)s.",
        "%(n)d more belong to other regions than %(region)s.",
        others,
    )
    return text % {"n": others, "region": lookup.region}
