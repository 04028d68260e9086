"""Whatever the wire does to an answer: the verdict is right, the call ends in time, nothing stays behind."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hyperclusters.modelarts import Proof
from hyperclusters.modelarts.client import LIST_LIMIT
from tests.modelarts.cloud import (
    CALLS,
    Script,
    Visit,
    after_request,
    answer,
    answering,
    gone,
    playing,
    then,
)
from tests.modelarts.faults import DEADLINE, ENDED, WHOLE, check_ambiguous, failing, nothing_left_behind

TOO_LARGE = ("too_large", "list_too_large")
BOMB = zlib.compress(b"\0" * 50_000_000, wbits=31)  # 50 KB that would become 50 MB


@dataclass(frozen=True)
class Fault:
    """What the wire does once the request is on its way, and the causes a call may name for it."""

    script: Script
    causes: tuple[str, ...]


def close_after_head(visit: Visit) -> None:
    visit.read_head()


def late(visit: Visit) -> None:
    visit.read_request()
    visit.over.wait(DEADLINE + 0.05)
    visit.send(WHOLE)


def endless(piece: bytes) -> Callable[[Visit], None]:
    def act(visit: Visit) -> None:
        while True:
            visit.send(piece)

    return act


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPPED_HEAD = b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000
DRIPPED_BODY = answer(200, b" " * 5000)

FAULTS = {
    "closed at accept": Fault(gone, ENDED),
    "closed after the head": Fault(close_after_head, ENDED),
    "closed after the body": Fault(after_request(gone), ENDED),
    "reset at accept": Fault(Visit.reset, ENDED),
    "reset after the request": Fault(after_request(Visit.reset), ENDED),
    "reset in the answer": Fault(then(WHOLE[:-20], Visit.reset), ENDED),
    "no reply": Fault(after_request(Visit.stall), ("deadline",)),
    "a reply after the deadline": Fault(late, ("deadline",)),
    "a dripped head": Fault(after_request(lambda visit: visit.drip(DRIPPED_HEAD)), ("deadline",)),
    "a dripped body": Fault(after_request(lambda visit: visit.drip(DRIPPED_BODY)), ("deadline",)),
    "a stalled body": Fault(then(WHOLE[:-20], Visit.stall), ("deadline",)),
    "100 Continue and silence": Fault(then(b"HTTP/1.1 100 Continue\r\n\r\n", Visit.stall), ("deadline",)),
    "100 Continue for ever": Fault(after_request(endless(b"HTTP/1.1 100 Continue\r\n\r\n")), ("deadline",)),
    "a short content-length": Fault(then(WHOLE[:-20], gone), ENDED),
    "a cut chunk": Fault(then(CHUNKED + b'40\r\n{"id": "7', gone), ENDED),
    "a missing last chunk": Fault(then(CHUNKED + b"2\r\n{}\r\n", gone), ENDED),
    "a bad chunk size": Fault(then(CHUNKED + b"zz\r\n{}\r\n", Visit.stall), ENDED),
    "a bad status line": Fault(then(b"ICY 200 OK\r\n\r\n", Visit.stall), ENDED),
    "no HTTP at all": Fault(then(b"SSH-2.0-OpenSSH_9.2\r\n", Visit.stall), ("deadline",)),
    "an upgrade": Fault(then(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Visit.stall), ENDED),
    "a 2 MB header": Fault(then(b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 2_000_000, Visit.stall), ENDED),
    "2 MB of headers": Fault(then(b"HTTP/1.1 200 OK\r\n" + b"X-Big: a\r\n" * 200_000, Visit.stall), ENDED),
    "two content-lengths": Fault(
        then(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Visit.stall), ENDED
    ),
    "an endless body": Fault(
        then(CHUNKED, endless(b"400\r\n" + b" " * 1024 + b"\r\n")), (*TOO_LARGE, "deadline")
    ),
    "an endless body of tiny chunks": Fault(
        then(CHUNKED, endless(b"1\r\n \r\n" * 4096)), (*TOO_LARGE, "deadline")
    ),
    "a body of 8 MiB and a byte": Fault(answering(answer(200, b" " * (LIST_LIMIT + 1))), TOO_LARGE),
    "a promised terabyte": Fault(
        then(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n{", Visit.stall), ("deadline",)
    ),
    "a gzip bomb": Fault(answering(answer(200, BOMB, "Content-Encoding: gzip")), ("content_encoding",)),
    "HTTP/1.0, cut": Fault(then(b'HTTP/1.0 200 OK\r\n\r\n{"id": "744', gone), ("bad_json",)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_g15_a_broken_answer_is_no_answer_and_costs_no_more_than_the_deadline(fault: str, call: str) -> None:
    with nothing_left_behind(), playing(FAULTS[fault].script) as cloud:
        error = failing(call, cloud.endpoint)
        if fault == "reset at accept" and error.cause == "connect_error":
            # The reset came before connecting had ended, so nothing was sent, and it is right to say so.
            assert error.proves == Proof.NOT_SENT
            assert not cloud.requests
            return
        if not (fault == "HTTP/1.0, cut" and call == "delete"):
            assert error.cause in FAULTS[fault].causes
        check_ambiguous(error, call)
        assert len(cloud.requests) <= 1
        assert cloud.connections == 1
