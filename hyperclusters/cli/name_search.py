"""Finding the cluster that somebody names."""

from __future__ import annotations

import re
import uuid

from .client import Client
from .errors import ExitCode, Failure
from .output import Row

# Stricter than uuid.UUID, which takes hyphens and underscores anywhere.
ID = re.compile(
    r"(?:urn:uuid:)?\{?([0-9a-f]{8}(-?)[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12})\}?", re.IGNORECASE
)


def find_cluster(client: Client, text: str, *, or_gone: bool = False) -> Row:
    """The cluster with this ID, cloud ID or name. Raises Failure unless it is exactly one.

    `or_gone`: if there is none, one that the cloud no longer has, so that a deletion can be repeated with its key.
    """
    if pk := as_id(text):
        try:
            row: Row = client.get(f"/clusters/{pk}")
        except Failure as failure:
            if failure.code != ExitCode.NOT_PERMITTED:
                raise
        else:
            return row
        rows = [row for row in client.pages("/clusters", q=pk) if row["cluster_id"] == pk]
    else:
        rows = list(client.pages("/clusters", name=text)) if text else []
    if not rows and or_gone and text:
        matches = client.pages("/clusters", q=pk or text, gone="true")
        rows = [row for row in matches if (pk or text) in {row["name"], row["cluster_id"]}]
    if not rows:
        message = f"There is no cluster {text}, or it belongs to a team that you are not in."
        raise Failure(message, ExitCode.NOT_PERMITTED)
    if len(rows) > 1:
        ids = "\n".join(f"  {row['id']}  in {row['project']}" for row in rows)
        raise Failure(f"Several clusters are named {text}. Use an ID:\n{ids}", ExitCode.USAGE)
    return rows[0]


def as_id(text: str) -> str:
    """The ID in its usual form, also from `urn:uuid:…`, braces or without hyphens; empty if this is a name."""
    match = ID.fullmatch(text)
    return str(uuid.UUID(match[1])) if match else ""
