"""A chat service of the tests: a local HTTPS server that answers as each service does, or as badly as it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from hyperclusters.access.models import Message, MessageKind, NotificationTarget, Team, User
from hyperclusters.modelarts import Transport
from hyperclusters.notifications import delivery
from hyperclusters.notifications.targets import add_target
from tests.modelarts.cloud import Cloud, Received, Script, Visit, answer, playing
from tests.modelarts.test_modelarts_tls import server

TOKEN = "canary_token.0123456789"  # with what is broken up in texts
SECRET = "canary-signing-secret"
PATHS = {
    "feishu": f"/open-apis/bot/v2/hook/{TOKEN}",
    "dingtalk": f"/robot/send?access_token={TOKEN}",
    "wecom": f"/cgi-bin/webhook/send?key={TOKEN}",
    "slack": f"/services/T000/B000/{TOKEN}",
}
TAKEN: dict[str, bytes] = {
    "feishu": b'{"code":0,"data":{},"msg":"success"}',
    "dingtalk": b'{"errcode":0,"errmsg":"ok"}',
    "wecom": b'{"errcode":0,"errmsg":"ok"}',
    "slack": b"ok",
}


def service_of(request: Received) -> str:
    """Which service this request is for."""
    return next(name for name, path in PATHS.items() if request.target.startswith(path.partition("?")[0][:9]))


def taking(visit: Visit) -> None:
    """Take every message as its service would."""
    request = visit.read_request()
    visit.send(answer(200, TAKEN[service_of(request)]))


def saying(status: int | str, body: bytes = b"", *headers: str) -> Script:
    """Answer every message like this."""

    def script(visit: Visit) -> None:
        visit.read_request()
        visit.send(answer(status, body, *headers))

    return script


@dataclass
class Chats:
    """The services' server, and who has chats there."""

    cloud: Cloud
    host: str
    targets: list[NotificationTarget] = field(default_factory=list)

    def url(self, service: str) -> str:
        return f"https://{self.host}{PATHS[service]}"

    def add(self, team: Team | None, by: User, service: str = "slack", **more: Any) -> NotificationTarget:
        """A chat that gets everything, unless `kinds` says otherwise."""
        fields: dict[str, Any] = {
            "name": f"{service} chat",
            "secret": "",
            "kinds": list(MessageKind),
            "language": "en",
        }
        fields |= {"url": self.url(service)} | more
        target = add_target(team=team, service=service, by=by, **fields)
        self.targets.append(target)
        return target

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What arrived."""
        return [json.loads(request.body) for request in self.cloud.requests]

    @property
    def text(self) -> str:
        """All of what arrived, as one text."""
        return "\n".join(json.dumps(body, ensure_ascii=False) for body in self.bodies)


@contextmanager
def chats(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changed: Settings, script: Script = taking
) -> Iterator[Chats]:
    """The services on this machine, for the length of a block."""
    here = server(folder)
    with playing(script, here.tls) as cloud, Transport(verify=str(here.certificate)) as transport:
        host = f"127.0.0.1:{cloud.port}"
        changed.MESSAGE_HOSTS = {service: [host] for service in PATHS}
        monkeypatch.setattr(delivery, "transport", lambda: transport)
        yield Chats(cloud, host)


def chat(team: Team | None, by: User) -> str:
    """The ID of a chat to which nothing is sent."""
    url = "https://hooks.slack.com/services/x"
    fields: dict[str, Any] = {"name": "general", "secret": "", "kinds": [], "language": "en"}
    return str(add_target(team=team, service="slack", url=url, by=by, **fields).pk)


def send_all(*services: str) -> int:
    """Send what is due now; how many were delivered."""
    return sum(delivery.send_due(service) for service in services or tuple(PATHS))


def states() -> list[str]:
    """What became of the messages, oldest first."""
    return list(Message.objects.values_list("state", flat=True))
