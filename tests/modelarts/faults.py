"""How a call under a fault is run and judged."""

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hyperclusters.modelarts import ModelArtsError, OutcomeUnknown, Proof, Transport, Unavailable
from tests.modelarts.cloud import CALLS, CLUSTER, answer, as_json, client_of, open_sockets

DEADLINE = 0.3  # seconds of a call that is to fail
ROOM = 3.0  # seconds more that a busy machine may take; what reads on for ever takes longer
WHOLE = answer(200, as_json(CLUSTER))
ENDED = ("read_error", "protocol_error")  # what a cut answer may be called; the kernel decides


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Memory within 32 MiB of the start, and as many sockets and threads as there were."""
    before = (threads(), open_sockets())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (threads(), open_sockets()) == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 32 * 1024


def failing(call: str, endpoint: str, *, http: Transport | None = None) -> ModelArtsError:
    """The error that a call ends with, which it must within its deadline, with room for a busy machine."""
    with client_of(endpoint, deadline=DEADLINE, connect_timeout=DEADLINE, http=http) as client:
        started = time.monotonic()
        with pytest.raises(ModelArtsError) as caught:
            CALLS[call](client)
        assert time.monotonic() - started <= DEADLINE + ROOM
    error = caught.value
    assert error.exchange is not None
    assert error.exchange.elapsed <= DEADLINE + ROOM
    return error


def check_ambiguous(error: ModelArtsError, call: str) -> None:
    """A create or delete may have happened; a read is just not available."""
    assert type(error) is (OutcomeUnknown if call in {"create", "delete"} else Unavailable)
    assert error.proves is Proof.NOTHING


def check_not_sent(error: ModelArtsError) -> None:
    assert type(error) is Unavailable
    assert error.proves is Proof.NOT_SENT
    assert error.exchange is not None
    assert error.exchange.status is None
