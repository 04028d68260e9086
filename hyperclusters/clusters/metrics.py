"""Metrics for operators, computed from the database at each scrape, so that every process reports the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import hyperclusters
from hyperclusters.access.models import Message, MessageState, NotificationTarget, OutgoingMail, Service
from hyperclusters.audit import clock, integrity, push
from hyperclusters.audit.models import ChainHead, DenialWindow, Event
from hyperclusters.audit.readable import counts, values
from hyperclusters.audit.vocabulary import EventType

from . import breaker
from .heartbeat import ALIVE
from .models import (
    CallCounter,
    ClusterListing,
    Creation,
    Deletion,
    DeletionState,
    Heartbeat,
    Project,
    RequestCounter,
    State,
    TimedCounter,
)
from .operations.transitions import is_overdue

VERDICT_BOUNDS = (1, 5, 15, 60, 300, 1380)  # seconds; the last is the 23 minutes that are promised
SIGN_INS = {
    EventType.SIGNED_IN: "succeeded",
    EventType.SIGN_IN_FAILED: "failed",
    EventType.SIGN_IN_LOCKED: "locked",
}
VERDICTS = (State.CREATED, State.FAILED, State.NOT_CREATED)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Dashboard())
    return generate_latest(registry)


class _Dashboard(Collector):
    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        build = _gauge("build_info", "The release that answers", ("version",))
        build.add_metric([hyperclusters.__version__], 1)
        yield build
        yield from _work(now)
        yield _verdicts()
        yield from _time_metrics(
            CallCounter, ("upstream_calls", "upstream_seconds"), "Calls to the cloud", by="call"
        )
        yield from _time_metrics(RequestCounter, ("http_requests", "http_seconds"), "Web requests", by="view")
        yield from _projects(now)
        yield from _lists(now)
        yield from _workers(now)
        yield from _ledger(now)
        yield from _sinks(now)
        yield from _mails(now)
        yield from _messages(now)
        yield _sign_ins()


def _gauge(name: str, help_text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hyperclusters_{name}", help_text, labels=labels)


def _age(now: datetime, then: datetime | None) -> float:
    return max((now - then).total_seconds(), 0.0) if then else 0.0


def _work(now: datetime) -> Iterator[Metric]:
    count = _gauge("work", "Creations and deletions by state", ("kind", "state"))
    oldest = _gauge("work_oldest_seconds", "Age of the oldest one that is not settled", ("kind", "state"))
    queue = _gauge("queue_late_seconds", "How long the work that is due longest has been due", ("kind",))
    for kind in (Creation, Deletion):
        rows = (
            kind._default_manager.order_by()
            .values("state")
            .annotate(n=Count("pk"), first=Min("requested_at"))
        )
        totals: dict[str, Any] = {row["state"]: row for row in rows}
        for state, _ in kind._meta.get_field("state").choices or ():
            row = totals.get(state, {"n": 0, "first": None})
            count.add_metric([kind.KIND, state], row["n"])
            if state in kind.UNRESOLVED:
                oldest.add_metric([kind.KIND, state], _age(now, row["first"]))
        has_write = breaker.may_write(kind.objects.all().at_project)  # what waits for one is not late
        due = kind.objects.due().filter(Q(state="unknown") | Q(state="queued") & has_write).order_by()
        queue.add_metric([kind.KIND], _age(now, due.aggregate(first=Min("run_after"))["first"]))
    yield from (count, oldest, queue)
    overdue = _gauge("creations_overdue", "Creations without an outcome for more than 30 minutes")
    open_ = Creation.objects.filter(state__in=(State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION))
    overdue.add_metric([], open_.filter(is_overdue()).count())
    conflicts = _gauge("creations_contradicted", "Creations whose verdict later evidence contradicts")
    conflicts.add_metric([], Creation.objects.filter(conflict_at__isnull=False).count())
    listed_again = _gauge("deletions_contradicted", "Deleted clusters that the cloud lists again")
    deletions = Deletion.objects.filter(state=DeletionState.DELETED, cluster__gone_at=None)
    listed_again.add_metric([], deletions.values("cluster").distinct().count())
    yield from (overdue, conflicts, listed_again)


def _verdicts() -> Metric:
    """The time from the click to the verdict."""
    family = HistogramMetricFamily(
        "hyperclusters_verdict_seconds", "From a creation's request to its verdict", labels=["state"]
    )
    took = F("settled_at") - F("requested_at")
    within = {
        f"le{seconds}": Count("pk", filter=Q(took__lte=timedelta(seconds=seconds)))
        for seconds in VERDICT_BOUNDS
    }
    creations = Creation.objects.filter(settled_at__isnull=False, state__in=VERDICTS).order_by()
    rows = creations.annotate(took=took).values("state").annotate(n=Count("pk"), total=Sum("took"), **within)
    totals: list[dict[str, Any]] = list(rows)  # type: ignore[arg-type]  # counts have made-up names
    for row in totals:
        buckets = [(str(float(seconds)), float(row[f"le{seconds}"])) for seconds in VERDICT_BOUNDS]
        buckets.append(("+Inf", float(row["n"])))
        family.add_metric([row["state"]], buckets, row["total"].total_seconds())
    return family


def _time_metrics(
    model: type[TimedCounter], names: tuple[str, str], what: str, *, by: str
) -> Iterator[Metric]:
    """How many there were by every label, and how long they took by one of them."""
    count, seconds = names
    total = CounterMetricFamily(f"hyperclusters_{count}", f"{what} by how they ended", labels=[*model.LABELS])
    for row in model._default_manager.all():
        total.add_metric([str(getattr(row, label)) for label in model.LABELS], row.count)
    yield total
    took = HistogramMetricFamily(f"hyperclusters_{seconds}", f"How long {what.lower()} took", labels=[by])
    sums = {field: Sum(field) for field in model.BOUNDS}
    rows = (
        model._default_manager.order_by(by).values(by).annotate(n=Sum("count"), total=Sum("seconds"), **sums)
    )
    totals: list[dict[str, Any]] = list(rows)
    for each in totals:
        buckets = [(str(limit), float(each[field])) for field, limit in model.BOUNDS.items()]
        took.add_metric([each[by]], [*buckets, ("+Inf", float(each["n"]))], each["total"])
    yield took


def _projects(now: datetime) -> Iterator[Metric]:
    pauses = _gauge("breaker_open", "1 while calls to the cloud are stopped", ("project",))
    offset = _gauge("clock_offset_seconds", "The cloud's clock minus ours, as signed by", ("project",))
    ends = _gauge("key_ends_seconds", "Until a temporary key ends; below 0 once it has", ("project",))
    for project in Project.objects.filter(retired_at__isnull=True):
        pauses.add_metric([project.name], project.is_blocked())
        offset.add_metric([project.name], project.clock_offset.total_seconds())
        if project.key_until:
            ends.add_metric([project.name], (project.key_until - now).total_seconds())
    yield from (pauses, offset, ends)


def _lists(now: datetime) -> Iterator[Metric]:
    age = _gauge("list_age_seconds", "Since the last complete list, or since connecting", ("project", "type"))
    failures = _gauge("list_failing", "1 if the last list failed", ("project", "type"))
    for cluster_listing in ClusterListing.objects.select_related("project"):
        labels = [cluster_listing.project.name, cluster_listing.type]
        age.add_metric(labels, _age(now, cluster_listing.listed_at or cluster_listing.project.created_at))
        failures.add_metric(labels, cluster_listing.is_failing)
    yield from (age, failures)


def _workers(now: datetime) -> Iterator[Metric]:
    workers = Heartbeat.objects.filter(at__lte=now + clock.TOLERANCE, role=Heartbeat.WORKER)
    beats = workers.aggregate(alive=Count("pk", filter=Q(at__gt=now - ALIVE)), last=Max("at"))
    alive = _gauge("workers", "Workers heard of within the last minute")
    alive.add_metric([], beats["alive"])
    last = _gauge("worker_heartbeat_seconds", "Since any worker was last heard of")
    if beats["last"]:
        last.add_metric([], _age(now, beats["last"]))
    ahead = _gauge(
        "clock_ahead_seconds", "By how much a process's clock is wrong; 0 within 5 s", ("host", "role")
    )
    processes = Heartbeat.objects.filter(clock.within("at", ALIVE)).order_by()
    for row in processes.values("host", "role").annotate(most=Max("clock_ahead"), least=Min("clock_ahead")):
        ahead.add_metric([row["host"], row["role"]], max(row["most"] or 0.0, row["least"] or 0.0, key=abs))
    yield from (alive, last, ahead)


def _ledger(now: datetime) -> Iterator[Metric]:
    head = ChainHead.objects.first() or ChainHead()
    events = _gauge("audit_head", "Number of the newest audit event")
    age = _gauge("audit_head_age_seconds", "Since the newest audit event")
    if head.seq:
        events.add_metric([], head.seq)
    for _, at in values(Event.objects.filter(seq=head.seq), "at"):
        if at:
            age.add_metric([], _age(now, at))
    yield from (events, age)
    status = integrity.integrity_status()
    intact = _gauge(
        "audit_intact",
        "1 if the last verification of the chain found nothing, 0 if it is broken; neither if overdue",
    )
    if status.state in {"intact", "broken"}:
        intact.add_metric([], status.state == "intact")
    verification_age = _gauge(
        "audit_verified_age_seconds", "Since the chain was verified; +Inf if never", ("what",)
    )
    for what, at in (("new", status.at), ("whole", status.whole_at)):
        verification_age.add_metric([what], _age(now, at) if at else float("inf"))
    findings = _gauge("audit_findings", "Findings of the last verification", ("state",))
    findings.add_metric(["open"], len(status.findings))
    findings.add_metric(["acknowledged"], len(status.acknowledged))
    failures = _gauge("audit_verification_failures", "Verifications in a row that ended with an error")
    failures.add_metric([], status.failures)
    yield from (intact, verification_age, findings, failures)


def _sinks(now: datetime) -> Iterator[Metric]:
    backlog = _gauge("audit_sink_waiting", "Audit events that a sink has not taken yet", ("sink",))
    late = _gauge("audit_sink_late_seconds", "How long the oldest of them has waited", ("sink",))
    set_aside = _gauge(
        "audit_sink_undelivered", "Audit events set aside because a sink refuses them", ("sink",)
    )
    for sink in push.sink_states():
        backlog.add_metric([sink.name], sink.backlog)
        late.add_metric([sink.name], _age(now, sink.waits_since))
        set_aside.add_metric([sink.name], sink.undelivered_count)
    yield from (backlog, late, set_aside)


def _mails(now: datetime) -> Iterator[Metric]:
    backlog = _gauge("mails_waiting", "Mails that the mail server has not taken yet")
    failures = _gauge("mails_failing", "Those that it has refused at least once")
    oldest = _gauge("mails_late_seconds", "How long the mail that is due longest has been due")
    totals = OutgoingMail.objects.order_by().aggregate(
        n=Count("pk"), failing=Count("pk", filter=Q(tries__gt=0)), first=Min("run_after")
    )
    backlog.add_metric([], totals["n"])
    failures.add_metric([], totals["failing"])
    oldest.add_metric([], _age(now, totals["first"]))
    yield from (backlog, failures, oldest)


def _messages(now: datetime) -> Iterator[Metric]:
    labels, prefix = ("service",), "hyperclusters_messages"
    deliveries = CounterMetricFamily(
        f"{prefix}_delivered", "Messages that a chat service has taken", labels=labels
    )
    failures = CounterMetricFamily(f"{prefix}_failed", "Attempts that it did not take", labels=labels)
    backlog = _gauge("messages_waiting", "Messages to chats that wait to be sent", labels)
    late = _gauge("messages_late_seconds", "How long the oldest of them has waited", labels)
    unreachable = _gauge("messages_unreachable_chats", "Chats that messages do not reach", labels)
    counts = (
        NotificationTarget.objects.order_by()
        .values("service")
        .annotate(
            sent=Sum("delivered_count"),
            errors=Sum("failed_count"),
        )
    )
    targets = NotificationTarget.objects.failing().order_by().values_list("service").annotate(n=Count("pk"))
    failing_targets: dict[str, int] = dict(targets)
    queue = Message.objects.filter(state=MessageState.WAITING).order_by().values("target__service")
    oldest: dict[str, Any] = {
        row["target__service"]: row for row in queue.annotate(n=Count("pk"), first=Min("happened_at"))
    }
    totals: dict[str, Any] = {row["service"]: row for row in counts}
    for service in Service.values:
        total, row = totals.get(service, {}), oldest.get(service, {})
        deliveries.add_metric([service], total.get("sent", 0))
        failures.add_metric([service], total.get("errors", 0))
        unreachable.add_metric([service], failing_targets.get(service, 0))
        backlog.add_metric([service], row.get("n", 0))
        late.add_metric([service], _age(now, row.get("first")))
    yield from (deliveries, failures, backlog, late, unreachable)


def _sign_ins() -> Metric:
    """Of the last 10 minutes: the audit's events, and what open windows count instead of recording it."""
    family = _gauge("sign_ins", "Sign-ins of the last 10 minutes by how they ended", ("result",))
    lately, kinds = timedelta(minutes=10), {"action__in": list(SIGN_INS)}
    events = counts(Event.objects.filter(clock.within("at", lately), **kinds), "action")
    windows = DenialWindow.objects.filter(clock.within("last_at", lately), **kinds).values_list("action")
    totals = Counter({event_type: n for (event_type,), n in events.items()})
    totals.update(dict(windows.annotate(n=Sum("count"))))
    for event_type, result in SIGN_INS.items():
        family.add_metric([result], totals[event_type])
    return family
