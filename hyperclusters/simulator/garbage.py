"""Answers that break the documentation, made from the honest one."""

import json
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from .answers import Answer

HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
ERROR = {"error_code": "ModelArts.6400", "error_msg": "Invalid parameter"}
MANY = 10_000


def _each_cluster(content: Any, change: Callable[[dict[str, Any]], None]) -> Any:
    """Change every cluster of an answer, whether one or a list."""
    if isinstance(content, dict):
        for cluster in content.get("hyper_clusters", [content]):
            change(cluster)
    return content


def _rename(cluster: dict[str, Any]) -> None:
    cluster["name"] = "not-what-was-asked-for"


def _drop_id(cluster: dict[str, Any]) -> None:
    cluster.pop("id", None)


def _many_networks(cluster: dict[str, Any]) -> None:
    row = {"hyper_cluster_subnet_id": "00000000-0000-4000-8000-000000000000", "is_default": False}
    cluster["network_info"] = [row] * MANY


def _halve(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _change_json(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps(_each_cluster(json.loads(body or b"null"), change)).encode()


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "html": lambda _: HTML,
    "cut_json": _halve,
    "empty": lambda _: b"",
    "wrong_name": _change_json(_rename),
    "no_id": _change_json(_drop_id),
    "error_code_200": lambda _: json.dumps(ERROR).encode(),
    "huge": _change_json(_many_networks),
    "custom": lambda body: body,
}


def corrupt(kind: str, honest: Answer, body: bytes, content_type: str, status: int | None) -> Answer:
    """The honest answer with its body corrupted; a body of the caller's own for the kind `custom`."""
    types = {"html": "text/html", "custom": content_type}
    headers = (("Content-Type", types[kind]),) if kind in types else honest.headers
    answered = HTTPStatus.OK if kind == "error_code_200" else _status_with_body(honest)
    body_bytes = body if kind == "custom" else GARBAGE[kind](honest.body)
    return replace(honest, status=status or answered, body=body_bytes, headers=headers)


def pad(honest: Answer, size: int) -> Answer:
    """The honest answer, padded with spaces: still JSON, but far too long."""
    return replace(honest, status=_status_with_body(honest), body=honest.body.ljust(size))


def _status_with_body(honest: Answer) -> int:
    """A 204 cannot carry a body, so garbage in its place needs another status."""
    return HTTPStatus.OK if honest.status == HTTPStatus.NO_CONTENT else honest.status
