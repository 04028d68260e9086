"""One connection, and the calls on it, one after the other.

h11 speaks HTTP; the socket is ours, for three reasons. Every operation gets what is left of its call's time,
so that an answer which drips byte by byte ends. It is known whether a byte of a request may have left, so
that "not sent" is a fact and no guess from an exception's name. And a connection on which anything follows an
answer is never used again: httpcore 1.0 takes those bytes for the answer to the next request (measured).
"""

import select
import socket
import time
from dataclasses import dataclass, field

import h11

from hyperclusters.modelarts.wire import WireError, seconds_to

MAX_HEAD = 64 * 1024  # bytes of an answer's status line and headers
MAX_BODY = 1024 * 1024  # bytes of an answer's body, where the caller allows no more
READ_SIZE = 64 * 1024

# An idle connection is used for so many seconds and no longer. A gateway closes idle connections by its own
# clock (a minute, commonly); a request sent into that moment is lost without a word, and a lost create is a
# question that only lists can answer. Staying far below makes that rare.
IDLE_SECONDS = 5.0


@dataclass(slots=True)
class Reply:
    """What came of one request.

    `failure` is empty for a whole answer; else a slug, with `status`, `headers` (names in lower case) and
    `body` being what arrived before. `may_have_left`: whether a byte of the request may have left this
    machine. `elapsed`: seconds.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: str = ""
    detail: str = ""
    may_have_left: bool = False
    elapsed: float = 0.0


class Line:
    """A connection. It serves one call at a time and belongs to it for as long."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._used_at = 0.0

    def exchange(
        self, request: h11.Request, body: bytes, reply: Reply, until: float, max_body: int = MAX_BODY
    ) -> None:
        """Send the request and read the answer into `reply`, all of it before `until`. Raises `WireError`.

        An answer whose body has more than `max_body` bytes is not read to its end.
        """
        data = self._http.send(request) or b""
        if body:
            data += self._http.send(h11.Data(data=body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._sock.settimeout(seconds_to(until, "deadline"))
        reply.may_have_left = True
        self._write(data)
        received = bytearray()
        try:
            self._receive(reply, received, until, max_body)
        except h11.RemoteProtocolError as error:
            raise WireError("protocol_error", error) from error
        finally:
            del received[max_body:]
            reply.body = bytes(received)

    def is_reusable(self) -> bool:
        """Whether another call may follow: the last one ended cleanly, and nothing came after its answer.

        Readies the connection for it.
        """
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not done or self._http.trailing_data != (b"", False):
            return False
        self._http.start_next_cycle()
        self._used_at = time.monotonic()
        return True

    def is_fresh(self) -> bool:
        """Whether an idle connection can still be used: not for long idle, and quiet.

        What arrives while nothing was asked is the far side's goodbye, or worse.
        """
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            return False
        quiet = select.poll()
        quiet.register(self._sock, select.POLLIN)
        return not quiet.poll(0)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _write(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except TimeoutError as error:
            raise WireError("deadline", error) from error
        except OSError:
            # A server may refuse and close before it has read all. What it said says more than our broken
            # pipe; if it said nothing, reading fails in its turn.
            return

    def _read(self, until: float) -> bytes:
        self._sock.settimeout(seconds_to(until, "deadline"))
        try:
            return self._sock.recv(READ_SIZE)
        except TimeoutError as error:
            raise WireError("deadline", error) from error
        except OSError as error:
            raise WireError("read_error", error) from error

    def _receive(self, reply: Reply, body: bytearray, until: float, max_body: int) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self._read(until))
            elif isinstance(event, h11.Response):
                reply.status = event.status_code
                reply.headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                if reply.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
                    raise WireError("content_encoding")  # never unpacked: a small answer could hold gigabytes
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > max_body:
                    raise WireError("too_large")
            elif isinstance(event, h11.EndOfMessage):
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise WireError("protocol_error", "closed without an answer")
