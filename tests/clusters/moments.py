"""Moments of a creation at which something else happens: around the one call that creates, and around lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from hyperclusters.clusters.models import Creation, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.worker import run_due
from hyperclusters.modelarts import Client
from tests.conftest import run_worker_again

Happening = Callable[[], Any]


class Killed(BaseException):
    """The process ends here: nothing behind this point is done, as after SIGKILL."""


def kill() -> None:
    raise Killed


def once(happening: Happening) -> Happening:
    """Only the first time."""
    left = [happening]
    return lambda: left.pop()() if left else None


def around_the_create(
    patch: pytest.MonkeyPatch, *, before: Happening | None = None, after: Happening | None = None
) -> None:
    """Let something happen when the intent is committed and nothing sent, or when the answer is there and not noted."""
    create = Client.create

    def watched(self: Client, **request: Any) -> Any:
        if before:
            before()
        try:
            return create(self, **request)
        finally:
            if after:
                after()

    patch.setattr(Client, "create", watched)


def after_the_list(patch: pytest.MonkeyPatch, happening: Happening) -> None:
    """Let something happen when a list is there and nothing was concluded from it yet."""
    listing = Client.list

    def watched(self: Client, **request: Any) -> Any:
        answer = listing(self, **request)
        happening()
        return answer

    patch.setattr(Client, "list", watched)


def send_what_waits() -> None:
    """Let a worker send, and do nothing else: however long that takes, nothing is looked for meanwhile."""
    while (creation := CREATIONS.claim("sender", State.QUEUED)) is not None:
        CREATIONS.send(creation)


def lease_lapses(creation: Creation) -> None:
    """Its worker was not heard of for longer than its lease."""
    Creation.objects.filter(pk=creation.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def taken_for_lost(creation: Creation) -> Creation:
    """Another worker sweeps it up and looks for it once."""
    lease_lapses(creation)
    run_due(holder="another")
    return Creation.objects.get(pk=creation.pk)


def horizon_passes(creation: Creation) -> None:
    """No request signed for it can be acted on any more."""
    Creation.objects.filter(pk=creation.pk).update(
        not_created_after=timezone.now() - timedelta(seconds=1),
        signed_at=F("signed_at") - timedelta(minutes=30),
    )


def declared_absent(creation: Creation) -> Creation:
    """Swept up, horizon passed, looked for twice in vain."""
    taken_for_lost(creation)
    horizon_passes(creation)
    found = run_worker_again(creation, times=2)
    assert found.state == State.NOT_CREATED
    return found
