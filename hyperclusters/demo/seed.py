"""Seeds the demo: its people with their passwords, ada's API token, and a history of a month."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from hyperclusters.access.models import User
from hyperclusters.accounts.models import ApiToken, Scope
from hyperclusters.accounts.token_format import token_id
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock
from hyperclusters.demo.accounts import PEOPLE
from hyperclusters.demo.past_month import History
from hyperclusters.demo.simulated_cloud import SimulatedCloud

DAYS = 30.0  # of history


def make(cloud: SimulatedCloud) -> None:
    """Write the history that the demo starts with. Call once, on an empty database; the simulator must run."""
    now = timezone.now()
    with clock.replay(now - timedelta(days=DAYS)) as set_clock:
        History(cloud, now, set_clock).write()
    cloud.switch()


def set_passwords(password: str) -> None:
    """Give every person of the demo this password, unless they have it already."""
    people = User.objects.filter(username__in=PEOPLE)
    if all(person.check_password(password) for person in people[:1]):
        return
    for person in people:
        person.set_password(password)
        person.save(update_fields=["password"])


def issue_token(text: str) -> None:
    """Give ada this API token, good for a year, unless there is one that is good for another week."""
    ada = User.objects.get(username="ada")
    if ApiToken.objects.filter(pk=token_id(text), expires_at__gt=clock.now() + ApiToken.WARN).exists():
        return
    ApiToken.objects.filter(pk=token_id(text)).delete()
    scopes, expires_at = (
        [Scope.CLUSTERS_READ, Scope.CLUSTERS_WRITE, Scope.ACCESS_READ],
        clock.now() + ApiToken.LONGEST,
    )
    create_token(by=ada, owner=ada, name="demo", scopes=scopes, expires_at=expires_at, text=text)
