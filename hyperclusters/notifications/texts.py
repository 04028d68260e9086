"""The texts of messages, in the language of the chat. Every value in them is made `inert`."""

from __future__ import annotations

from django.conf import settings
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.models import Message, MessageKind, NotificationTarget

from .formats import Text, inert

TITLES: dict[str, str | Promise] = {
    "requested": gettext_lazy("%(person)s requests access to %(team)s"),
    "approved": gettext_lazy("%(by)s approved access to %(team)s for %(person)s"),
    "declined": gettext_lazy("%(by)s declined access to %(team)s for %(person)s"),
    "ending": gettext_lazy("Access of %(person)s to %(team)s ends soon"),
    "created": gettext_lazy("Cluster %(name)s was created"),
    "failed": gettext_lazy("Creation of %(name)s failed"),
    "not_created": gettext_lazy("Cluster %(name)s was not created"),
    "refused": gettext_lazy("Creation of %(name)s was refused"),
    "approval_needed": gettext_lazy("%(by)s asks for approval of %(name)s"),
    "needs_attention": gettext_lazy("Creation of %(name)s needs a decision"),
    "creation_overdue": gettext_lazy("Outcome of creating %(name)s still unknown"),
    "deletion_overdue": gettext_lazy("Outcome of deleting %(name)s still unknown"),
    "elsewhere": gettext_lazy("Cluster %(name)s was created elsewhere"),
    "follow_up": gettext_lazy("%(by)s asks for a follow-up on %(name)s"),
    "follow_up_assigned": gettext_lazy("%(by)s asks %(person)s about %(name)s"),
    "integrity": gettext_lazy("The integrity check of the audit found tampering"),
    "test": gettext_lazy("Test message"),
}
ACTIONS: dict[str, str | Promise] = {
    MessageKind.ACCESS_ASKED: gettext_lazy("Decide"),
    MessageKind.ACCESS_DECIDED: gettext_lazy("View team"),
    MessageKind.ACCESS_ENDING: gettext_lazy("Extend access"),
    MessageKind.SETTLED: gettext_lazy("View creation"),
    MessageKind.UNRESOLVED: gettext_lazy("View and decide"),
    MessageKind.ELSEWHERE: gettext_lazy("View cluster"),
    MessageKind.FOLLOW_UP: gettext_lazy("Answer"),
    MessageKind.INTEGRITY: gettext_lazy("View findings"),
    MessageKind.TEST: gettext_lazy("View settings"),
}


def text_of(message: Message, target: NotificationTarget) -> Text:
    """The message in the language of its chat."""
    with translation.override(target.language):
        names = ("name", "person", "by", "team", "until")
        facts = {name: inert(message.facts.get(name, "")) or "–" for name in names}
        lines = [] if target.team_id else [_("Team: %(team)s") % facts] * ("team" in message.facts)
        if project := message.facts.get("project"):
            lines.append(_("Project: %(project)s") % {"project": inert(project)})
        if message.facts.get("until"):
            lines.append(_("Until: %(until)s") % facts)
        if reason := message.facts.get("reason"):
            lines.append(_("Reason: %(reason)s") % {"reason": inert(reason)})
        if message.kind == MessageKind.TEST:
            lines.append(_("Messages of hyperclusters arrive in this chat."))
        title = str(TITLES[message.facts["text"]]) % facts
        action, url = str(ACTIONS[message.kind]), f"{settings.SITE_URL}{message.path}"
        return Text(title, "\n".join(lines) or "hyperclusters", action, url, target.language)
