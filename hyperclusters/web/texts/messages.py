"""Chats for messages in words: their state, why a message did not arrive and what to do, what is wrong with a URL."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import NotificationTarget, Service
from hyperclusters.web.texts.causes import Text
from hyperclusters.web.texts.states import StatusText

FAILURES: dict[str, Text] = {
    "no_connection": _("The service could not be reached. We try again by ourselves."),
    "service_error": _("The service answered with an error. We try again by ourselves."),
    "too_many": _("The service gets too many messages of this chat. We try again later."),
    "redirect": _("The service answered with a redirect, which we don't follow. Replace the URL."),
    "odd_answer": _("The answer is not one of this service. Check the URL."),
    "rejected": _("The service rejected the message. Its own words are below."),
    "revoked": _("The service no longer accepts this URL. Create another webhook there and replace the URL."),
    "bad_signature": _(
        "The service's security settings rejected the message. Check the signing secret, and that no keyword or IP "
        "list is set there."
    ),
    "address_blocked": _("The chat accepts messages from listed IP addresses only. Add ours there."),
    "no_keyword": _("The chat accepts messages with a keyword only. Turn on signing there instead."),
    "unreadable": _("No key of CREDENTIAL_KEYS opens the URL. Replace it."),
    "host_not_allowed": _("MESSAGE_HOSTS no longer allows this host. Ask who runs the dashboard."),
    "expired": _("Messages waited for a day and were dropped. Check that a worker runs."),
}
EXAMPLES = {
    Service.FEISHU: "https://open.feishu.cn/open-apis/bot/v2/hook/…",
    Service.DINGTALK: "https://oapi.dingtalk.com/robot/send?access_token=…",
    Service.WECOM: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…",
    Service.SLACK: "https://hooks.slack.com/services/…",
}


def failure_text(cause: str) -> str:
    """Why a message did not arrive, and what to do."""
    return str(FAILURES.get(cause, FAILURES["rejected"]))


def target_status(target: NotificationTarget) -> StatusText:
    """Whether messages arrive in this chat."""
    why = failure_text(target.failure) if target.failure else ""
    if target.is_paused:
        return StatusText("idle", gettext("Paused"), "")
    if target.is_failing:
        return StatusText("bad", gettext("Not arriving"), why)
    if target.failures:
        return StatusText("warn", gettext("Retrying"), why)
    if target.delivered_at:
        return StatusText("good", gettext("Active"), "")
    return StatusText("idle", gettext("Nothing sent yet"), "")


def address_refusal(cause: str, service: str) -> str:
    """Why this URL cannot be used for this service."""
    if cause == "host_not_allowed":
        hosts = ", ".join(settings.MESSAGE_HOSTS.get(service, [])) or "–"
        return gettext("Messages of this service may go to %(hosts)s only.") % {"hosts": hosts}
    if cause == "not_its_address":
        example = EXAMPLES[Service(service)]
        return gettext("Enter the webhook's whole URL, such as %(example)s") % {"example": example}
    return gettext("Enter the webhook's whole URL. It begins with https://")
