"""A plain HTTP caller that signs with the vendor's own signer, so that nothing of ours vouches for itself."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from hyperclusters.simulator import Simulator

PROJECT = "0123456789abcdef0123456789abcdef"
HELD_OUT_SECONDS = 20.0


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error_code"])


def collection(project: str = PROJECT) -> str:
    return f"/v1/{project}/dev-servers/hyper-clusters"


def sdk_date(ahead: float = 0.0) -> str:
    moment = datetime.fromtimestamp(datetime.now(UTC).timestamp() + ahead, UTC)
    return moment.strftime("%Y%m%dT%H%M%SZ")


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for a condition; raises AssertionError when it has not come true after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.01)


class Caller:
    """Calls one simulator with one key."""

    def __init__(self, simulator: Simulator, secret_key: str | None = None, token: str = "") -> None:
        self.port = simulator.port
        self.access_key = simulator.access_key
        self.secret_key = secret_key or simulator.secret_key
        self.token = token

    def connect(self, timeout: float = HELD_OUT_SECONDS) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def signed(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The headers of a request with their signature."""
        path, _, query = target.partition("?")
        values = {"Host": f"127.0.0.1:{self.port}", "X-Sdk-Date": sdk_date(), **(headers or {})}
        if self.token:
            values["X-Security-Token"] = self.token
        request = SdkRequest(
            method=method,
            resource_path=path,
            query_params=parse_qsl(query, keep_blank_values=True),
            header_params=values,
            body=body,
        )
        Signer(BasicCredentials(self.access_key, self.secret_key, PROJECT)).sign(request)
        return dict(request.header_params)

    def send(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """A signed request to the API, on a connection of its own."""
        return self.bare(method, target, body, self.signed(method, target, body, headers))

    def bare(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """A request with exactly these headers."""
        connection = self.connect()
        try:
            connection.request(method, target, body=body or None, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def control(self, method: str, path: str, content: Any = None) -> Reply:
        """A request to the control surface."""
        body = b"" if content is None else json.dumps(content).encode()
        return self.bare(method, f"/_simulator/{path}", body, {"Content-Type": "application/json"})

    def create(self, name: Any = "alpha", project: str = PROJECT, **fields: Any) -> Reply:
        body = json.dumps({"name": name, **fields}).encode()
        return self.send("POST", collection(project), body, {"Content-Type": "application/json"})

    def list(self, cluster_type: str | None = None, project: str = PROJECT) -> Reply:
        return self.send("GET", collection(project) + (f"?type={cluster_type}" if cluster_type else ""))

    def show(self, cluster_id: str, cluster_type: str | None = None) -> Reply:
        return self.send(
            "GET", f"{collection()}/{cluster_id}" + (f"?type={cluster_type}" if cluster_type else "")
        )

    def delete(self, cluster_id: str, cluster_type: str | None = None) -> Reply:
        return self.send(
            "DELETE", f"{collection()}/{cluster_id}" + (f"?type={cluster_type}" if cluster_type else "")
        )
