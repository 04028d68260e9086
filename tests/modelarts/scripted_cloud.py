"""A cloud with one prepared answer to whatever comes, and how the errors it provokes are judged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hyperclusters.modelarts import Client, ModelArtsError, OutcomeUnknown, Proof, Unavailable
from tests.modelarts.cloud import CALLS, KEY, Visit, client_of, playing


@dataclass
class ScriptedCloud:
    """A cloud with one prepared answer, and a client of it."""

    client: Client
    say: Callable[[bytes], None]

    def call(self, name: str, data: bytes) -> Any:
        """The answer of a call that the cloud answers with these bytes."""
        self.say(data)
        return CALLS[name](self.client)

    def failing(self, name: str, data: bytes) -> ModelArtsError:
        with pytest.raises(ModelArtsError) as caught:
            self.call(name, data)
        check_storable(caught.value)
        return caught.value


@contextmanager
def staged() -> Iterator[ScriptedCloud]:
    """A stage for the length of a block."""
    prepared: list[bytes] = []

    def script(visit: Visit) -> None:
        while True:
            visit.read_request()
            visit.send(prepared[-1])

    with playing(script) as cloud, client_of(cloud.endpoint) as client:
        yield ScriptedCloud(client, prepared.append)


def check_storable(error: ModelArtsError) -> None:
    """PostgreSQL takes no NUL and no lone surrogate; a page takes no control characters."""
    assert error.exchange is not None
    texts = (error.code, error.message, error.request_id, str(error), error.exchange.body)
    assert all(text.isprintable() for text in texts)
    assert len(error.exchange.body) <= 4096
    assert len(error.message) <= 500
    assert KEY.secret_key not in "".join(texts)


def check_no_answer(error: ModelArtsError, call: str) -> None:
    assert type(error) is (Unavailable if call in {"list", "show"} else OutcomeUnknown)
    assert error.proves is Proof.NOTHING
