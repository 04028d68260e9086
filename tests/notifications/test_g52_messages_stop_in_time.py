"""G52: told to stop, a worker leaves messages to the next one, and none is lost. With a real process and server."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from hyperclusters.access.models import Message, MessageKind, MessageState, NotificationTarget
from hyperclusters.notifications.happenings import notify
from tests.clusters.test_g52_a_worker_ends_in_time import GRACE, stopped_when_busy
from tests.conftest import People
from tests.modelarts.cloud import Visit, answer
from tests.notifications.chats import Chats

MESSAGES = 25


def test_g52_messages_that_go_out_slowly_are_left_to_the_next_worker(
    people: People, services: Chats, tmp_path: Path
) -> None:
    busy = threading.Event()

    def slow(visit: Visit) -> None:
        visit.read_request()
        busy.set()
        time.sleep(1)
        visit.send(answer(200, b"ok"))

    services.cloud.script = slow
    services.add(people.vision, people.tom)
    for number in range(MESSAGES):
        facts = {"name": f"c{number}", "team": "Vision"}
        notify(MessageKind.SETTLED, people.vision, text="created", key=f"k{number}", path="/", facts=facts)
    env = {"MESSAGE_HOSTS": f"slack={services.host}", "SSL_CERT_FILE": str(next(tmp_path.glob("*.pem")))}
    env["UPSTREAM_DEADLINE"] = str(GRACE - 2)  # a busy machine takes its time
    status, seconds = stopped_when_busy(partial(busy.wait, 60), tmp_path / "log", **env)
    assert (status, seconds < GRACE) == (0, True)
    sent = Message.objects.filter(state=MessageState.SENT).count()
    assert 0 < sent < MESSAGES, NotificationTarget.objects.values().get()
    assert Message.objects.filter(state=MessageState.WAITING).count() == MESSAGES - sent
    assert len(services.cloud.requests) == sent
    assert NotificationTarget.objects.get().lease_holder == ""
