"""Where processes are killed: the product's failpoints, and more points added around network and database."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from hyperclusters.audit import engines
from hyperclusters.clusters.failpoints import failpoint
from hyperclusters.modelarts import network, signing

# Reached on the way from the form to a verdict.
ON_THE_WAY = (
    "request_checked",
    "request_saved",
    "request_recorded",
    "claim_found",
    "claimed",
    "send_permitted",
    "write_reserved",
    "baseline_listed",
    "intent_begun",
    "move_updated",
    "move_recorded",
    "intent_committed",
    "call_begun",
    "call_answered",
    "call_failed",
    "settle_read",
    "verdict_moved",
    "cluster_bound",
    "verdict_bound",
    "lease_ending",
    "breaker_turned",
    "source_claimed",
    "sync_listed",
    "sync_known",
    "sync_seen",
    "sync_noted",
    "sync_applied",
    "inside_listed",
    "inside_batch",
    "inside_applied",
)
# Reached when a list of the cloud says something new of clusters that no creation made.
IN_LISTS = ("sync_known", "sync_batch", "sync_seen", "sync_gone", "sync_applied")
# Reached only when an earlier process has died with a creation in its hands.
IN_RECOVERY = ("swept", "look_begun", "look_listed", "look_weighed", "look_in_vain", "overdue_marked")
FIRST_DEATH = "call_answered:1,call_failed:1"
# Laid by `install`: each transaction's commit, each append to the chain, each step of each call to the cloud.
LAID = (
    "commit_begun",
    "commit_done",
    "append_begun",
    "append_done",
    "sign_begun",
    "sign_done",
    "connect_begun",
    "connect_done",
    "write_begun",
    "write_done",
    "read_begun",
    "read_done",
)
POINTS: dict[str, str] = dict.fromkeys((*ON_THE_WAY, *LAID), "") | dict.fromkeys(IN_RECOVERY, FIRST_DEATH)
# Every single statement that goes to the database; the full matrix dies at each of them.
STATEMENTS = ("statement_begun", "statement_done")


def install() -> None:
    """Add the outer points, in the parent of the children. Without FAILPOINT they do nothing."""
    _lay(BaseDatabaseWrapper, "commit", "commit")
    _lay(engines, "append", "append")
    _lay(signing, "authorization", "sign")
    _lay(network.CallNetwork, "connect_tcp", "connect")
    _lay(network.CallStream, "write", "write")
    _lay(network.CallStream, "read", "read")
    _lay(CursorWrapper, "execute", "statement")


def _lay(place: Any, name: str, point: str) -> None:
    inner: Callable[..., Any] = getattr(place, name)

    @wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        failpoint(f"{point}_begun")
        result = inner(*args, **kwargs)
        failpoint(f"{point}_done")
        return result

    setattr(place, name, outer)
