"""`create` and `delete`: one write with an idempotency key, and the wait for its outcome."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from .client import Client
from .columns import emit_creation, emit_deletion, state_text
from .config import load
from .errors import ExitCode, Failure
from .name_search import find_cluster
from .output import Row, emit_json, progress

FIRST_POLL, LONGEST_POLL, REPEAT_PROGRESS = 0.5, 5.0, 30.0
GOOD = {"created", "deleted"}


class ClusterType(StrEnum):
    """What the cluster's nodes are."""

    HPS = "HPS"
    ECS = "ECS"
    NONE = "none"  # none is sent: the cloud decides


def _seconds(value: float) -> float:
    if not value >= 0:  # nan is neither
        raise typer.BadParameter("not a number of seconds.")
    return value


def _key(value: str) -> str:
    if value and not (len(value) <= 255 and all("!" <= c <= "~" for c in value)):
        raise typer.BadParameter("1 to 255 visible ASCII characters, without blanks.")
    return value


Reason = Annotated[str, typer.Option(help="Kept in the audit. Some teams require it.")]
Key = Annotated[
    str,
    typer.Option(
        help="Idempotency key: the same key never creates or deletes twice. Made up if you give none.",
        callback=_key,
        show_default=False,
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the outcome; progress goes to stderr.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to keep trying and waiting.", callback=_seconds)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="1 to 64 letters, digits, -, _ and .", show_default=False)
    ],
    project: Annotated[str, typer.Option(help="Name of the project.", show_default=False)],
    cluster_type: Annotated[
        ClusterType, typer.Option("--type", case_sensitive=False, help="none: the cloud decides.")
    ] = ClusterType.HPS,
    subnet: Annotated[str, typer.Option(help="Subnet ID; without it the default network is used.")] = "",
    reason: Reason = "",
    key: Key = "",
    wait: Wait = False,
    timeout: Timeout = 1800,
    as_json: AsJson = False,
) -> None:
    """Create a cluster.

    Without --wait the command ends as soon as the request is recorded. Run it again with the same --key to get the
    same creation: it is never created twice.
    """
    kind = None if cluster_type == ClusterType.NONE else cluster_type.value
    body: dict[str, str | None] = {"project": project, "name": name, "type": kind}
    body |= {"hyper_cluster_subnet_id": subnet, "reason": reason}
    with Client(load()) as client:
        row = _write(client, "/creations", body, key, wait=wait, timeout=timeout)
    emit_json(row) if as_json else emit_creation(row)
    _end(row, wait=wait)


def delete(
    cluster: Annotated[
        str,
        typer.Argument(metavar="CLUSTER", help="ID, cloud ID or name of the cluster.", show_default=False),
    ],
    confirm_name: Annotated[
        str, typer.Option(help="The cluster's name, as a confirmation. Asked for if missing.")
    ] = "",
    reason: Reason = "",
    override_inside: Annotated[
        bool,
        typer.Option(
            "--override-inside",
            help="Delete it even if something is inside or that can't be checked. For admins of the team, with a reason.",
        ),
    ] = False,
    key: Key = "",
    wait: Wait = False,
    timeout: Timeout = 1800,
    as_json: AsJson = False,
) -> None:
    """Delete a cluster. Asks for its name first. Refused if ModelArts lists supernodes or groups inside."""
    if not confirm_name and not sys.stdin.isatty():
        raise typer.BadParameter("needed where nobody can be asked", param_hint="--confirm-name")
    with Client(load()) as client:
        target = find_cluster(client, cluster, or_gone=bool(key))
        if not confirm_name:
            progress(f"This deletes {target['name']} ({target['cluster_id']}) in {target['project']}.")
            confirm_name = typer.prompt("Type its name to confirm", err=True)
            if confirm_name != target["name"]:
                raise Failure("This is not the cluster's name. Nothing was sent.")
        body: dict[str, Any] = {"confirm_name": confirm_name, "reason": reason}
        if override_inside:
            body["override_inside"] = True
        row = _write(client, f"/clusters/{target['id']}/deletions", body, key, wait=wait, timeout=timeout)
    emit_json(row) if as_json else emit_deletion(row)
    _end(row, wait=wait)


def _write(client: Client, path: str, body: dict[str, Any], key: str, *, wait: bool, timeout: float) -> Row:
    """Send it and, with `wait`, follow it; the creation or deletion as it is then."""
    key = key or str(uuid.uuid4())
    progress(f"Idempotency key: {key}")
    deadline = time.monotonic() + timeout
    kind = "deletions" if path.endswith("/deletions") else "creations"
    try:
        row = _operation(client, client.post(path, body, key=key, seconds=timeout))
        return _follow(client, f"/{kind}/{row['id']}", row, deadline) if wait else row
    except Failure as failure:
        if failure.code == ExitCode.UNKNOWN:
            raise Failure(f"{failure}\n{_again(key)}", failure.code) from None
        raise
    except KeyboardInterrupt:
        raise Failure(f"Interrupted.\n{_again(key)}", ExitCode.UNKNOWN) from None


def _again(key: str) -> str:
    return f"Run the same command again with --key {key} to learn the outcome. Nothing is done twice."


def _follow(client: Client, path: str, row: Row, deadline: float) -> Row:
    """Read until the state is final, needs a person, or the deadline passes."""
    report = _reporter()
    pause = FIRST_POLL
    while True:
        report(row)
        if _is_at_rest(row):
            return row
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise Failure(f"Not settled yet: {state_text(row).lower()}.", ExitCode.UNKNOWN)
        time.sleep(min(pause, seconds))
        pause = min(pause * 1.5, LONGEST_POLL)
        try:
            row = _operation(client, client.get(path, seconds=max(deadline - time.monotonic(), 0)))
        except Failure as failure:  # it is recorded: whatever stops us now, its outcome is open
            raise Failure(str(failure), ExitCode.UNKNOWN) from None


def _operation(client: Client, row: Any) -> Row:
    """The creation or deletion in an answer. Raises Failure if it is none: its outcome is open then."""
    kinds = {"id": str, "state": str, "is_settled": bool}
    if isinstance(row, dict) and all(isinstance(row.get(name), kind) for name, kind in kinds.items()):
        return row
    raise client.unexpected_answer(is_write=True)


def _is_at_rest(row: Row) -> bool:
    return bool(row["is_settled"]) or row["state"] == "needs_attention"


def _reporter() -> Callable[[Row], None]:
    """Prints a state when it changes, and from time to time that it has not."""
    began = last_report_at = time.monotonic()
    last = ""

    def report(row: Row) -> None:
        nonlocal last, last_report_at
        now, text = time.monotonic(), state_text(row)
        if text != last or now - last_report_at >= REPEAT_PROGRESS:
            progress(f"{now - began:5.0f} s  {text}")
            last, last_report_at = text, now

    return report


def _end(row: Row, *, wait: bool) -> None:
    """The exit code. Without `wait` a request that is recorded is done, unless it is known to have failed."""
    if row["state"] in GOOD or not (wait or _is_at_rest(row)):
        return
    raise typer.Exit(ExitCode.FAILED if row["is_settled"] else ExitCode.UNKNOWN)
