"""Answers that break the documentation, made from the body of the honest one."""

import json
from collections.abc import Callable
from typing import Any

HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
ERROR = {"error_code": "ModelArts.6400", "error_msg": "Invalid parameter"}


def _change_clusters(body: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Change every cluster of an answer, whether one or a list."""
    content = json.loads(body or b"null")
    if isinstance(content, dict):
        for cluster in content.get("hyper_clusters", [content]):
            change(cluster)
    return json.dumps(content).encode()


def _rename(body: bytes) -> bytes:
    return _change_clusters(body, lambda cluster: cluster.update(name="not-what-was-asked-for"))


def _drop_id(body: bytes) -> bytes:
    return _change_clusters(body, lambda cluster: cluster.pop("id", None))


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "html": lambda _: HTML,
    "cut_json": lambda body: body[: len(body) // 2],
    "empty": lambda _: b"",
    "wrong_name": _rename,
    "no_id": _drop_id,
    "error_code_200": lambda _: json.dumps(ERROR).encode(),
}
