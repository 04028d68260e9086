"""What verification found, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from hyperclusters.audit.findings import IntegrityIssue, IssueKind


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
        _("What is stored differs from what was sealed. This page shows what was sealed."),
    )
