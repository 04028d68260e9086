"""The circuit breaker and the write budget of a project, in the database, shared by all processes.

A refused key opens the breaker for five minutes (the vendor locks a key after more than five bad signatures),
throttling for as long as the cloud says (60 s at most), three failures in a row for 30 s. A milder answer never
shortens a pause, and an answer to a call that began before the breaker opened does not close it.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import (
    ClockSkew,
    CredentialsRefused,
    ModelArtsError,
    NotFound,
    OutcomeUnknown,
    Throttled,
    Unavailable,
    proves_absence,
)

from .failpoints import failpoint
from .models import Project
from .models.project import KEY_PAUSE
from .operations.retries import RETRY_AFTER_CAP
from .operations.transitions import wake_workers

log = logging.getLogger(__name__)

OUTAGE_PAUSE = timedelta(seconds=30)
OUTAGE_AFTER = 3
SIDE_CALLS = frozenset({"show", "supernodes", "groups", "capacity", "traces"})
PROBE_PAUSE = timedelta(seconds=0.5)
THROTTLE_DEFAULT = 10.0


def next_call_at(project: Project) -> datetime | None:
    """None if the cloud may be called now, else when to ask again. Ask right before the call.

    Until the cloud has answered with this key, and again after each pause, one call at a time is allowed: with a
    wrong key, many calls would get it locked before the first refusal is read.
    """
    project.refresh_from_db(fields=["blocked_until", "blocked_cause", "failures", "trusted", "clock_offset"])
    now = clock.now()
    if project.is_blocked():
        return project.blocked_until
    if project.trusted:
        return None
    free = Project.objects.filter(_is_free("probe_until", _probe_length()), pk=project.pk)
    is_probe_claimed = free.update(probe_until=now + _probe_length())
    return None if is_probe_claimed else now + PROBE_PAUSE


def record_success(project: Project) -> None:
    """The cloud answered: close the breaker if it was open when the call began, not if it opened meanwhile."""
    if project.trusted and not project.failures and not project.blocked_cause:
        return
    with transaction.atomic():
        # As it was when the call began, its key included: an answer to another key proves nothing of this one.
        rows = Project.objects.filter(
            pk=project.pk, key_since=project.key_since, blocked_until=project.blocked_until
        )
        has_closed = rows.update(
            blocked_until=None, blocked_cause="", blocked_code="", failures=0, trusted=True, probe_until=None
        )
        if has_closed and project.blocked_cause:
            record(EventType.PROJECT_UNBLOCKED, Outcome.NOTED, on=project)
        if has_closed:
            wake_workers()  # what waited for this answer may begin
    if has_closed:
        project.failures, project.blocked_cause, project.blocked_until, project.trusted = 0, "", None, True


def opened_at(project: Project) -> datetime | None:
    """When the breaker last opened, as the audit has it; None if that event is not there or unreadable."""
    about = Event.objects.for_object("project", project.pk).filter(action=EventType.PROJECT_BLOCKED)
    return next((event.at for _, event in events(about.order_by("-seq")[:1]) if event), None)


def release_probe(project: Project) -> None:
    """The one call that is allowed until the key is proved was not made: allow another."""
    Project.objects.filter(pk=project.pk, key_since=project.key_since, trusted=False).update(probe_until=None)


def record_failure(project: Project, error: ModelArtsError) -> None:
    """The cloud refused or did not answer: open the breaker if more calls would do harm or are useless."""
    release_probe(project)
    if isinstance(error, CredentialsRefused):
        if project.has_same_key():  # else this says nothing of the new one
            _open(project, error, KEY_PAUSE)
    elif isinstance(error, Throttled) and not _is_of_another_service(error):
        seconds = THROTTLE_DEFAULT if error.retry_after is None else min(error.retry_after, RETRY_AFTER_CAP)
        _open(project, error, timedelta(seconds=max(seconds, 1.0)))
    elif isinstance(error, ClockSkew):
        note_skew(project, error)
    elif isinstance(error, Unavailable | OutcomeUnknown) and not _is_a_side_call(error):
        Project.objects.filter(pk=project.pk).update(failures=F("failures") + 1)
        project.refresh_from_db(fields=["failures"])
        if project.failures >= OUTAGE_AFTER:
            _open(project, error, OUTAGE_PAUSE)


def _is_a_side_call(error: ModelArtsError) -> bool:
    """Whether only a read beside the lists of clusters failed: the cloud may work otherwise, and those lists show
    whether it does."""
    return error.exchange is not None and error.exchange.request.call in SIDE_CALLS


def _is_of_another_service(error: ModelArtsError) -> bool:
    """Whether CTS answered, whose limits are not those of ModelArts. The key and the clock are the same."""
    return error.exchange is not None and error.exchange.request.call == "traces"


def record_result(project: Project, error: ModelArtsError | None = None) -> None:
    """Record how a call ended, for callers that still have to record the cloud's answer. That matters more, so a
    database error here is only logged. "Not found" is an answer too."""
    try:
        if error is None or (isinstance(error, NotFound) and proves_absence(error)):
            record_success(project)
        else:
            record_failure(project, error)
    except DatabaseError:
        log.exception("the breaker of project %s could not be told", project.name)


def begin_write(project: Project) -> datetime | None:
    """Reserve what a create or delete needs, before anything is read for it: the probe while the key is not proved, and
    one call of the write budget. None if it may go on, else when to ask again.

    A reserved write that is not sent after all is lost: a pause of one step, that nothing else waits for.
    """
    later = next_call_at(project)
    if later is None and (later := _take_write(project)) is not None and not project.trusted:
        release_probe(project)
    failpoint("write_reserved")
    return later


def may_write(at_project: str) -> Q:
    """Rows for whose project `begin_write` would reserve a write now, unless calls are stopped. What it would only put
    off is better not claimed: a hundred that wait for one write would be claimed in vain for each.

    `at_project`: the path from the row to its project.
    """
    step, ahead = _rate()
    write, probe = f"{at_project}__writes_until", f"{at_project}__probe_until"
    has_write = _is_free(write, ahead) | Q(**{f"{write}__lte": clock.now() + ahead - step})
    has_probe = _is_free(probe, _probe_length()) | Q(**{f"{at_project}__trusted": True})
    return has_write & has_probe


def _take_write(project: Project) -> datetime | None:
    """Take one call from the project's write budget, which all processes share. None if it may go out now, else when
    to ask again: WRITES_PER_MINUTE on average, and a tenth of them at once."""
    with transaction.atomic():
        row = Project.objects.select_for_update(no_key=True).values_list("writes_until", flat=True)
        until, later = _spend(row.get(pk=project.pk))
        if later is None:
            Project.objects.filter(pk=project.pk).update(writes_until=until)
    return later


def _spend(spent_until: datetime | None) -> tuple[datetime, datetime | None]:
    """Until when the budget is spent with one more write, and when that write may go out, if not now."""
    now, (step, ahead) = clock.now(), _rate()
    until = (now if spent_until is None or clock.is_due(spent_until, ahead) else spent_until) + step
    return until, until - ahead if until > now + ahead else None


def _rate() -> tuple[timedelta, timedelta]:
    """The time that one write takes from the budget, and how far ahead of now it may be spent."""
    step = timedelta(seconds=60 / settings.WRITES_PER_MINUTE)
    return step, step * max(settings.WRITES_PER_MINUTE // 10, 1)


def _probe_length() -> timedelta:
    """How long the one call may take that is allowed while the key is not proved."""
    return timedelta(seconds=settings.UPSTREAM_DEADLINE + 5)


def _is_free(until: str, longest: timedelta) -> Q:
    """Rows of which nothing is taken up to now, by this column."""
    return Q(**{f"{until}__isnull": True}) | clock.due(until, longest)


def note_skew(project: Project, error: ClockSkew) -> None:
    """The cloud refuses our time: sign by its clock from now on, and record that."""
    if error.offset is None or error.offset == project.clock_offset:
        return
    before = project.clock_offset
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(clock_offset=error.offset)
        record(
            EventType.CLOCK_CORRECTED,
            Outcome.NOTED,
            on=project,
            before={"seconds": before.total_seconds()},
            after={"seconds": error.offset.total_seconds()},
            upstream_request_id=error.request_id,
        )
    project.clock_offset = error.offset


def _open(project: Project, error: ModelArtsError, pause: timedelta) -> None:
    """Stop calls until the pause is over; a longer pause that has begun stays."""
    until = clock.now() + pause
    changes = {
        "blocked_until": until,
        "blocked_cause": error.cause,
        "blocked_code": error.code[:64],
        "trusted": False,
    }
    with transaction.atomic():
        is_new = Project.objects.filter(pk=project.pk, blocked_cause="").update(**changes)
        over = Q(blocked_until__isnull=True) | clock.due("blocked_until", KEY_PAUSE)
        if not is_new:
            Project.objects.filter(over | Q(blocked_until__lt=until), pk=project.pk).update(**changes)
        failpoint("breaker_turned")
        if is_new:
            record(
                EventType.PROJECT_BLOCKED,
                Outcome.NOTED,
                on=project,
                after={"until": until.isoformat()},
                evidence=error.code or error.cause,
                upstream_request_id=error.request_id,
            )
    project.refresh_from_db(fields=["blocked_until", "blocked_cause", "trusted"])
