"""Races between real threads on real connections, each played many times, then judged at rest by the oracle.

RACES says how often each is played: twice by default; in full 50 on SQLite and 200 on PostgreSQL.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.oracle import Records, breaches
from tests.faults.world import IS_FULL, KEY, Environment, world

RUNS = int(os.environ.get("RACES", "2"))
AT_ONCE = 10  # runs of one child, which has a time to end in
RACES = {
    "double_submit": "g05_one_form_sent_many_times_at_once_makes_one_creation",
    "one_token_two_wishes": "g05_one_token_with_two_wishes_keeps_the_first",
    "two_tabs": "g06_two_tabs_with_one_name_make_one_creation",
    "submit_and_withdraw": "g04_what_is_withdrawn_is_never_sent",
    "two_withdrawals": "g19_two_withdrawals_are_one_event",
    "workers_on_one_row": "g04_several_workers_send_one_creation_once",
    "sender_and_sweeper": "g12_a_lapsed_lease_in_mid_flight_ends_in_one_verdict",
    "sweepers": "g19_several_sweepers_write_one_event",
    "late_reply_and_verdict": "g12_a_reply_after_the_verdict_stands_and_is_a_conflict",
    "late_refusal_and_verdict": "g12_a_refusal_after_the_verdict_is_an_extra_event",
    "stale_look_and_resend": "g08_an_old_look_does_not_judge_a_new_send",
    "lookers": "g12_several_lookers_come_to_one_verdict",
    "quota_edge": "g28_exactly_as_many_as_the_quota_allows_are_accepted",
    "first_quota_and_submits": "g28_a_first_quota_set_among_submits_is_exact_before_the_calls",
    "quota_and_verdict": "g28_a_creation_counts_while_it_turns_into_a_cluster",
    "name_gate_and_verdict": "g06_a_name_is_taken_while_its_creation_turns_into_a_cluster",
    "revocation_and_claim": "g25_a_right_that_ends_at_the_claim_is_refused_or_was_sent",
    "deactivation_and_submit": "g25_a_deactivated_person_sends_nothing",
    "last_two_admins": "g26_the_last_admin_stays_however_many_try_at_once",
    "one_request_decided_by_many": "g19_a_request_is_decided_once",
    "team_quota_edge": "g28_a_team_s_quota_is_exact_over_its_projects",
    "deactivation_by_service_and_submit": "g25_a_person_deactivated_while_they_submit_sends_nothing",
    "deactivation_and_grant": "g25_what_is_given_while_a_person_is_deactivated_does_not_stay",
    "sync_and_bind": "g11_a_list_at_the_moment_of_the_verdict_finds_nothing_outside",
    "sync_between_two_reads": "g11_a_verdict_between_the_reads_of_a_list_does_no_harm",
    "refreshes": "g17_a_refresh_asked_twice_is_listed_once",
    "breaker_opened_by_many": "g17_a_breaker_opened_by_many_is_one_event",
    "late_throttling": "g17_a_late_429_does_not_shorten_the_pause_after_a_401",
    "late_answer_and_refused_key": "g17_a_late_answer_does_not_close_the_breaker_of_a_refused_key",
    "lock_and_deletion": "g50_after_a_lock_nothing_is_sent",
    "lock_between_check_and_intent": "g50_a_lock_after_every_check_still_stops_the_call",
    "supernode_before_the_check_ends": "g50_a_supernode_that_comes_after_the_claim_stops_it",
    "supernode_between_check_and_call": "g50_the_cloud_s_refusal_is_the_verdict_on_what_no_check_can_see",
    "approvers": "g51_several_approvers_at_once_are_one_approval",
    "approval_decline_and_withdrawal": "g51_of_approving_declining_and_withdrawing_exactly_one_wins",
    "decline_and_workers": "g51_what_nobody_approved_is_never_sent",
    "approver_lost_and_claim": "g51_an_approver_who_loses_the_role_at_the_claim_has_approved_or_not",
    "approval_edge": "g51_exactly_those_from_the_limit_on_need_approval",
    "appends": "g21_fifty_appends_at_once_make_one_chain_without_a_deadlock",
    "appends_and_verification": "g21_a_verification_among_appends_is_no_false_alarm",
    "grants": "g21_services_that_record_twice_end_in_no_deadlock",
}
IN_CONFLICT = {"late_reply_and_verdict"}  # where a conflict is what must come out


# The judge reads all that ever happened in a world: played in full, each race has one of its own.
@pytest.fixture(scope="function" if IS_FULL else "module")
def broken_world() -> Iterator[Environment]:
    with world() as environment:
        yield environment


@pytest.mark.parametrize("race", RACES, ids=RACES.values())
def test_race(broken_world: Environment, race: str) -> None:
    arguments: dict[str, Any] = {
        "endpoint": broken_world.endpoint,
        "store": str(broken_world.folder),
        "keys": list(KEY),
    }
    for done in range(0, RUNS, AT_ONCE):
        runs = min(AT_ONCE, RUNS - done)
        for run in broken_world.forks.run("play", name=race, runs=runs, **arguments):
            assert run["notes"] == []
            records: Records = broken_world.judged(run["scene"]["project_id"], run["records"])
            assert breaches(records) == []
            assert race in IN_CONFLICT or not any(row["in_conflict"] for row in records.creations)


def test_g05_fifty_submits_of_one_form_from_five_processes_make_one_creation(
    broken_world: Environment,
) -> None:
    scene, token = broken_world.scene(), str(uuid.uuid4())
    arguments: dict[str, Any] = {
        "project": scene.project,
        "person": scene.person,
        "token": token,
        "at": time.time() + 0.3,
    }
    children = [broken_world.forks.start("submit_many", times=10, **arguments) for _ in range(5)]
    answers = {answer for child in children for answer in child.result()}
    assert len(answers) == 1
    broken_world.forks.run("rest", project=scene.project)
    assert broken_world.breaches(scene) == []
    assert len(broken_world.records(scene).posts("alpha")) == 1


def test_g17_a_wrong_key_is_not_tried_so_often_that_it_is_locked(broken_world: Environment) -> None:
    scene = broken_world.scene()
    for number in range(16):
        name, token = f"name-{number}", str(uuid.uuid4())
        broken_world.forks.run("submit", project=scene.project, person=scene.person, name=name, token=token)
    broken_world.cloud.fault("latency", "list", before=0.1, project=scene.project_id)
    broken_world.cloud.fault("error", "list", status=401, project=scene.project_id)

    def tries() -> int:
        return sum(entry.answer == "401" for entry in broken_world.records(scene).journal)

    worker = broken_world.forks.start("worker")
    deadline = time.monotonic() + 30
    while not tries() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)  # in which each of the sixteen could try
    worker.ask_to_stop()
    worker.result()
    broken_world.cloud.reset()
    assert 1 <= tries() <= 5
