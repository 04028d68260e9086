"""How the tests call the API: as a program does, by a token and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.test import Client

from hyperclusters.access.models import Team, User
from hyperclusters.accounts.models import Scope
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock

V1 = "/api/v1"


def issue(
    owner: User,
    *,
    by: User | None = None,
    scopes: Iterable[str] = tuple(Scope.values),
    team: Team | None = None,
    days: int = 30,
) -> str:
    """A token of this person or service identity, as text."""
    return create_token(
        by=by or owner,
        owner=owner,
        name="tests",
        scopes=list(scopes),
        expires_at=clock.now() + timedelta(days=days),
        team=team,
    )[1]


class Api:
    """A client with a token. Answers are Django's, with `.json()`."""

    def __init__(self, token: str) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{V1}{path}", query, headers=self.headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key is not None else {})
        text = body if isinstance(body, str) else json.dumps({} if body is None else body)
        return self.client.post(f"{V1}{path}", text, content_type="application/json", headers=headers)

    def delete(self, path: str, **query: Any) -> Any:
        return self.client.delete(f"{V1}{path}", query_params=query, headers=self.headers)
