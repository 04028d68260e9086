"""Races of workers: senders, sweepers, lookers, and answers that come too late."""

from __future__ import annotations

from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Creation, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.worker import run_due
from tests.faults.concurrency import Beside, Pause, run_concurrently
from tests.faults.jobs import pass_time, rest
from tests.faults.races import SLOW, RaceSetup, race, wrong


@race
def workers_on_one_row(stage: RaceSetup) -> list[str]:
    stage.ask()
    got = run_concurrently(*[run_due] * 4)
    return wrong(G4_one_post=stage.posts() == 1, no_error=all(isinstance(done, int) for done in got))


@race
def sender_and_sweeper(stage: RaceSetup) -> list[str]:
    """The lease lapses while the create is in flight: the row turns unknown, and the reply still settles it."""
    stage.ask()
    stage.slow_create(after=SLOW)
    with Pause("call_begun") as pause:
        sender = Beside(run_due)
        pause.wait()
        pass_time(stage.scene["project"], 60)
        CREATIONS.sweep()
        swept = stage.creation().state
        pause.let_go()
    run_concurrently(run_due, run_due)
    error = sender.join()
    row = stage.creation()
    return wrong(
        swept_is_unknown=swept == State.UNKNOWN,
        sender_ends_well=error is None,
        G12_created=row.state == State.CREATED,
        G12_no_conflict=row.conflict_at is None,
        G4_one_post=stage.posts() == 1,
    )


@race
def sweepers(stage: RaceSetup) -> list[str]:
    stage.ask()
    with Pause("call_begun") as pause:
        sender = Beside(run_due)
        pause.wait()
        pass_time(stage.scene["project"], 60)
        run_concurrently(*[CREATIONS.sweep] * 4)
        events = stage.events("cluster:create:unknown")
        pause.let_go()
    sender.join()
    return wrong(G19_one_event_of_four_sweeps=events == 1)


@race
def late_reply_and_verdict(stage: RaceSetup) -> list[str]:
    """The reply comes when the creation has been declared absent: the reply stands, and the contradiction is said."""
    stage.ask()
    with Pause("call_begun") as pause:
        sender = Beside(run_due)
        pause.wait()
        rest(stage.scene["project"])
        before = stage.creation().state
        pause.let_go()
    sender.join()
    row = stage.creation()
    return wrong(
        was_absent=before == State.NOT_CREATED,
        G12_the_reply_stands=(row.state, row.evidence) == (State.CREATED, "reply"),
        G12_conflict_is_raised=row.conflict_at is not None,
        G12_one_extra_event=stage.events("cluster:create:contradicted") == 1,
    )


@race
def late_refusal_and_verdict(stage: RaceSetup) -> list[str]:
    """A 429 comes when the creation has been declared absent: nothing changes, and the ledger has it all the same."""
    stage.ask()
    stage.cloud.fault("error", "create", status=429, times=1, project=stage.scene["project_id"])
    with Pause("call_begun") as pause:
        sender = Beside(run_due)
        pause.wait()
        rest(stage.scene["project"])
        events = Event.objects.filter(object_id=str(stage.creation().pk)).count()
        pause.let_go()
    sender.join()
    row = stage.creation()
    after = Event.objects.filter(object_id=str(row.pk)).count()
    return wrong(
        still_absent=row.state == State.NOT_CREATED, G12_the_late_outcome_is_an_event=after == events + 1
    )


@race
def stale_look_and_resend(stage: RaceSetup) -> list[str]:
    """A look that began before a late 429 must not judge the send that followed it."""
    stage.ask()
    stage.cloud.fault(
        "error", "create", status=429, times=1, retry_after="1", project=stage.scene["project_id"]
    )
    with Pause("call_failed") as late:
        sender = Beside(run_due)
        late.wait()
        pass_time(stage.scene["project"], 60)
        run_due()
        pass_time(stage.scene["project"], 1800)
        with Pause("look_weighed") as looking:
            looker = Beside(lambda: CREATIONS.poll(_claimed(stage)))
            looking.wait()
            late.let_go()
            sender.join()
            pass_time(stage.scene["project"], 60)
            with Pause("call_begun") as second:
                resender = Beside(run_due)
                second.wait()
                looking.let_go()
                looker.join()
                state = stage.creation().state
                second.let_go()
            resender.join()
    return wrong(G8_a_new_send_is_not_judged_by_an_old_look=state == State.SENDING)


def _claimed(stage: RaceSetup) -> Creation:
    creation = CREATIONS.claim("looker", State.UNKNOWN)
    assert creation
    assert creation.pk == stage.creation().pk
    return creation


@race
def lookers(stage: RaceSetup) -> list[str]:
    stage.ask()
    stage.cloud.fault("lost_answer", "create", times=1, project=stage.scene["project_id"])
    run_due()
    pass_time(stage.scene["project"], 60)
    got = run_concurrently(*[run_due] * 4)
    row = stage.creation()
    verdicts = Event.objects.filter(object_id=str(row.pk), action=EventType.CREATE_SUCCEEDED)
    return wrong(
        created=row.state == State.CREATED,
        one_verdict=verdicts.count() == 1,
        no_error=all(isinstance(d, int) for d in got),
    )
