"""Each switch changes the one behaviour it names, for every process, until it is put back."""

import re
from typing import Any

import pytest

from hyperclusters.simulator import BehaviourError, Behaviours, Simulator
from tests.simulator.simulator_caller import PROJECT, Caller, until


def test_by_default_nothing_undocumented_is_switched_on(simulator: Simulator) -> None:
    assert simulator.behaviours() == Behaviours()


def test_unique_names_refuses_a_second_cluster_of_a_name(simulator: Simulator, caller: Caller) -> None:
    simulator.set(unique_names=True)
    made = caller.create("one").json
    refused = caller.create("one", type="ECS")
    assert (refused.status, refused.code) == (409, "ModelArts.0103")
    assert caller.create("one", project="another").status == 200
    caller.delete(made["id"])
    assert caller.create("one").status == 200


def test_quota_refuses_one_cluster_more(simulator: Simulator, caller: Caller) -> None:
    simulator.set(quota=1)
    made = caller.create("first", type="ECS").json
    assert caller.create("second").code == "ModelArts.0106"
    assert caller.create("elsewhere", project="another").status == 200
    caller.delete(made["id"], "ECS")
    assert caller.create("second").status == 200


def test_a_quota_alone_leaves_names_free(simulator: Simulator, caller: Caller) -> None:
    simulator.set(quota=2)
    assert [caller.create("twin").status for _ in range(3)] == [200, 200, 400]


def test_list_lag_hides_a_new_cluster_from_lists_only(simulator: Simulator, caller: Caller) -> None:
    simulator.set(list_lag=1)
    made = caller.create("late").json
    assert caller.list().json == {"hyper_clusters": []}
    assert caller.show(made["id"]).json == made
    until(lambda: caller.list().json == {"hyper_clusters": [made]})


def test_an_empty_list_may_be_an_error(simulator: Simulator, caller: Caller) -> None:
    simulator.set(error_on_empty_list=True)
    assert (caller.list().status, caller.list().code) == (400, "ModelArts.6404")
    caller.create()
    assert caller.list().status == 200
    assert caller.list("ECS").code == "ModelArts.6404"


def test_odd_ids_are_safe_and_no_uuids(simulator: Simulator, caller: Caller) -> None:
    simulator.set(ids="odd")
    odd = caller.create().json["id"]
    assert re.fullmatch(r"[-_.a-z0-9]{1,64}", odd)
    assert not re.fullmatch(r"[0-9a-f-]{36}", odd)
    assert caller.show(odd).status == 200
    assert caller.delete(odd).status == 204


@pytest.mark.parametrize(("shape", "expected"), [("absent", ...), ("null", None), ("empty", [])])
def test_network_info_may_be_missing_null_or_empty(
    simulator: Simulator, caller: Caller, shape: str, expected: Any
) -> None:
    simulator.set(network_info=shape)
    made = caller.create().json
    assert made.get("network_info", ...) == expected
    assert caller.list().json["hyper_clusters"] == [made] == [caller.show(made["id"]).json]


def test_the_gateways_clock_can_be_off(simulator: Simulator, caller: Caller) -> None:
    simulator.set(clock_offset=1000)
    refused = caller.create()
    assert refused.code == "APIGW.0303"
    simulator.set(clock_offset=-800)
    assert caller.create().status == 200


def test_reset_puts_switches_and_faults_back_and_keeps_the_rest(simulator: Simulator, caller: Caller) -> None:
    caller.create()
    simulator.set(quota=0, ids="odd")
    simulator.fault("error", "list")
    simulator.reset()
    assert simulator.behaviours() == Behaviours()
    assert caller.list().status == 200
    assert len(simulator.clusters(PROJECT)) == 1
    assert len(simulator.journal()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_such_switch", True),
        ("unique_names", "yes"),
        ("unique_names", 1),
        ("quota", -1),
        ("quota", 1.5),
        ("quota", True),
        ("list_lag", -1),
        ("list_lag", float("nan")),
        ("list_lag", "1"),
        ("list_lag", 10**400),
        ("list_lag", float("inf")),
        ("quota", 10**30),
        ("ids", "other"),
        ("ids", None),
        ("network_info", ["null"]),
        ("clock_offset", None),
    ],
)
def test_a_switch_that_does_not_exist_or_cannot_be_so_is_refused_by_name(
    simulator: Simulator, name: str, value: Any
) -> None:
    with pytest.raises(BehaviourError, match=name):
        simulator.set(**{"error_on_empty_list": True, name: value})
    assert simulator.behaviours() == Behaviours()
