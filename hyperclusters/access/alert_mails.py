"""Who gets a mail about the audit's alerts, and from which thresholds on there are any. Auditors set both.

Alerts are collected: after one mail the next comes five minutes later at the earliest, with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.audit import clock
from hyperclusters.audit.alerts import ALERTS
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import AlertSettings, ChainHead, Event
from hyperclusters.audit.readable import events, values
from hyperclusters.audit.times import later
from hyperclusters.audit.vocabulary import EventType, Outcome

from .mail_parts import Text, addresses, link
from .models import Grant, OutgoingMail, User
from .permissions import POLICY, Permission, require

PAUSE = timedelta(minutes=5)  # between two mails
TOGETHER = timedelta(hours=1)  # a mail lists the alerts of so long a time, and not more than MOST
MOST = 20
FAR = 1000  # events without an alert after which the cursor moves
ABOUT = Subject("alerts", "1", "alerts")
THRESHOLDS = ("denials", "minutes", "late_minutes")


def possible_recipients() -> QuerySet[User]:
    """The people who may read the whole audit, in order."""
    site = Grant.objects.active().filter(team=None, role__in=POLICY[Permission.AUDIT].site)
    return User.objects.filter(pk__in=site.values("person"), service_team=None).order_by("username")


def recipients() -> list[User]:
    """Those who are chosen and may still read it."""
    return list(possible_recipients().filter(pk__in=AlertSettings.current().recipients))


def set_alerts(*, by: User, to: Iterable[User], reason: str = "", **thresholds: int) -> None:
    """Change the thresholds (`THRESHOLDS`) and who gets the mails. Raises NotPermitted; ValidationError if somebody may
    not read the audit or has no address, or a threshold is below 1."""
    require(by, Permission.REVIEW)
    people = list(to)
    possible_ids = set(possible_recipients().values_list("pk", flat=True))
    if wrong := [person.username for person in people if person.pk not in possible_ids or not person.email]:
        names = ", ".join(wrong)
        raise ValidationError(
            _("Only auditors with an e-mail address get mails: not %(names)s.") % {"names": names}
        )
    if thresholds.keys() - set(THRESHOLDS) or min(thresholds.values(), default=1) < 1:
        raise ValidationError(_("A threshold is 1 or more."))
    with transaction.atomic():
        first = {"mailed_seq": ChainHead.objects.get().seq}  # the past causes no mail
        AlertSettings.objects.get_or_create(pk=AlertSettings.ONLY, defaults=first)
        row = AlertSettings.objects.select_for_update().get(pk=AlertSettings.ONLY)
        before = _as_audit_json(row)
        for name, value in thresholds.items():
            setattr(row, name, value)
        row.recipients = sorted(person.pk for person in people)
        row.save(update_fields=["recipients", *thresholds])
        if before != (after := _as_audit_json(row)):
            event = EventType.ALERTS_CHANGED
            record(event, Outcome.DONE, on=ABOUT, by=by, reason=reason, before=before, after=after)


def send_test(*, by: User) -> int:
    """Queue a test mail for each recipient; how many there are. Raises NotPermitted."""
    require(by, Permission.REVIEW)
    people = recipients()
    with transaction.atomic():
        event = record(
            EventType.ALERTS_TESTED,
            Outcome.DONE,
            on=ABOUT,
            by=by,
            after={"recipients": [person.username for person in people]},
        )
    _queue(event.pk)
    return len(people)


def queue_alert_mails() -> None:
    """Queue one mail a recipient about the alerts that are new. Several workers may call this at once."""
    row = AlertSettings.objects.filter(pk=AlertSettings.ONLY).first()
    if row is None or (row.mailed_at and clock.is_within(row.mailed_at, PAUSE)):
        return
    end = ChainHead.objects.get().seq
    new = Event.objects.filter(action__in=ALERTS, seq__gt=row.mailed_seq, seq__lte=end).order_by("seq")
    alerts = values(new, "at")
    ours = AlertSettings.objects.filter(pk=row.pk, mailed_seq=row.mailed_seq)
    if not alerts:
        if end - row.mailed_seq > FAR:
            ours.update(mailed_seq=end)
        return
    last = _last_together(alerts)
    with transaction.atomic():
        if ours.update(mailed_seq=last, mailed_at=clock.now()):  # else another worker was faster
            _queue(last)


def _last_together(alerts: list[tuple[Any, ...]]) -> int:
    """The last alert whose mail lists all before it too. A wrong clock may have dated one days off: the rest is for the
    next mail then, and nothing is left out."""
    last, earliest = alerts[0]
    for seq, at in alerts:
        if at is None:  # unreadable: no mail lists it but its own
            break
        earliest = min(earliest, at)
        if at - earliest <= TOGETHER:
            last = seq
    return int(last)


def alert_mail(alert: Event) -> Text:
    """To the auditors who are chosen: this alert, and those shortly before it. Names what happened and where, and nothing
    that an event holds besides."""
    to, page = addresses(recipients()), link(reverse("audit:alerts"))
    ((seq, event),) = events(Event.objects.filter(pk=alert.pk))
    if event is None:
        words = _words(seq, event)
        return to, _("Audit alert: %(what)s") % {"what": words}, f"{words}\n  {_address(seq)}"
    if event.action == EventType.ALERTS_TESTED:
        text = _("%(by)s sent this test. You get the audit's alerts at this address.\n\nChange that: %(url)s")
        return to, _("A test of the audit's alerts"), text % {"by": event.person_name, "url": page}
    is_recent = Q(at__gte=later(event.at, -TOGETHER)) | Q(seq=seq)
    alerts = Event.objects.filter(is_recent, action__in=ALERTS, seq__lte=seq)
    lines = [
        f"{_words(number, each)}\n  {_address(number)}"
        for number, each in events(alerts.order_by("-seq")[:MOST])
    ]
    text = "{}\n\n{}".format("\n".join(lines), _("Thresholds and recipients: %(url)s") % {"url": page})
    return to, _("Audit alert: %(what)s") % {"what": event.get_action_display()}, text


def _words(seq: int, alert: Event | None) -> str:
    if alert is None:
        return _("Event %(number)d is unreadable") % {"number": seq}
    where = alert.object_name or alert.project_name
    return f"{alert.at:%Y-%m-%d %H:%M} UTC  {alert.get_action_display()}: {where}"


def _address(seq: int) -> str:
    return link(reverse("audit:event", args=[seq]))


def _queue(seq: int) -> None:
    mails = [
        OutgoingMail(kind=OutgoingMail.ALERT, about=str(seq), address=each.email) for each in recipients()
    ]
    OutgoingMail.objects.bulk_create(mails, ignore_conflicts=True)


def _as_audit_json(alerts: AlertSettings) -> dict[str, Any]:
    people = User.objects.filter(pk__in=alerts.recipients).order_by("username")
    names = list(people.values_list("username", flat=True))
    return {name: getattr(alerts, name) for name in THRESHOLDS} | {"recipients": names}
