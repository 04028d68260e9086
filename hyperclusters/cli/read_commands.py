"""The commands that only read: clusters, creations, the audit, grants."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Annotated, Any

import typer

from .client import Client, Query
from .columns import emit_cluster, emit_clusters, emit_creation, emit_creations, emit_grants, event_cells
from .config import load
from .errors import ExitCode, Failure
from .name_search import as_id, find_cluster
from .output import Row, emit, emit_json, emit_table, pipe_closed, printable, progress
from .write_commands import AsJson

FOLLOW_SECONDS, BATCH = 5.0, 200
LONGEST_MANIFEST = 100_000
EVENT_COLUMNS = ("Seq", "Time", "Action", "Outcome", "Person", "Object", "Reason or error")
Limit = Annotated[int, typer.Option(min=1, help="Rows at most.")]
Search = Annotated[str, typer.Option("--search", "-q", help="Part of the name or ID.", show_default=False)]


def _filter(text: str) -> Any:
    return typer.Option(help=text, show_default=False)


Project = Annotated[str, _filter("Name of the project.")]
Team = Annotated[str, _filter("Short name of the team.")]


def list_clusters(
    project: Project = "",
    team: Team = "",
    cluster_type: Annotated[str, typer.Option("--type", help="HPS or ECS.", show_default=False)] = "",
    owner: Annotated[str, _filter("User name of the owner.")] = "",
    search: Search = "",
    is_gone: Annotated[
        bool, typer.Option("--gone", help="Those that the cloud does not have any more.")
    ] = False,
    limit: Limit = 200,
    as_json: AsJson = False,
) -> None:
    """List the clusters of your teams, newest first."""
    query = {"project": project, "team": team, "type": cluster_type.upper(), "q": search}
    query["owner"] = owner
    with Client(load()) as client:
        rows = _first(client, "/clusters", limit, query | {"gone": "true" if is_gone else ""})
    _show(rows, emit_clusters, as_json=as_json)


def show(
    cluster: Annotated[
        str,
        typer.Argument(metavar="CLUSTER", help="ID, cloud ID or name of the cluster.", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Show one cluster."""
    with Client(load()) as client:
        row = find_cluster(client, cluster)
    emit_json(row) if as_json else emit_cluster(row)


def creations(
    creation: Annotated[
        str, typer.Argument(metavar="CREATION", help="ID of one creation.", show_default=False)
    ] = "",
    project: Project = "",
    state: Annotated[str, _filter("Such as unknown or needs_attention.")] = "",
    search: Search = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List creations, newest first, or show one."""
    pk = as_id(creation)
    if creation and not pk:
        raise typer.BadParameter("not the ID of a creation; find one with --search", param_hint="CREATION")
    with Client(load()) as client:
        if pk:
            row = client.get(f"/creations/{pk}")
            emit_json(row) if as_json else emit_creation(row)
            return
        rows = _first(client, "/creations", limit, {"project": project, "state": state, "q": search})
    _show(rows, emit_creations, as_json=as_json)


# The parameters of the API for what the options of `audit` and `export` are called here.
EVENT_FILTERS = {"search": "q", "time_range": "range", "request_id": "request"}
EVENT_FILTERS |= {
    name: name
    for name in (
        "since",
        "until",
        "person",
        "team",
        "project",
        "action",
        "outcome",
        "cluster",
        "code",
        "reason",
        "ip",
    )
}
SearchEvents = Annotated[
    str, typer.Option("--search", "-q", help="Part of a name, ID, reason or error code.", show_default=False)
]
Range = Annotated[
    str,
    typer.Option(
        "--range", help="1h, 24h, today, yesterday, 7d, last-week, 30d or this-month.", show_default=False
    ),
]
Since = Annotated[str, _filter("From this time on, in UTC: 2026-11-25 or 2026-11-25T22:30.")]
Until = Annotated[str, _filter("Up to this time, in UTC.")]
Several = list[str] | None  # an option that may be repeated
Person = Annotated[Several, _filter("User name. Repeat it for any of several.")]
Action = Annotated[Several, _filter("Such as cluster:create:requested. Repeat it for any of several.")]
Outcome = Annotated[
    Several,
    _filter("done, accepted, refused, denied, failed, unknown or noted. Repeat it for any of several."),
]
Code = Annotated[str, _filter("Part of an error code of the cloud.")]
Reason = Annotated[str, _filter("Part of a reason.")]
Cluster = Annotated[str, _filter("Name or ID of a cluster.")]
RequestId = Annotated[
    str, typer.Option("--request", help="Request ID, ours or the cloud's.", show_default=False)
]
Address = Annotated[str, typer.Option("--ip", help="IP address.", show_default=False)]


def audit(  # noqa: PLR0917 -- typer reads the options from the arguments, and passes them by name
    search: SearchEvents = "",
    time_range: Range = "",
    since: Since = "",
    until: Until = "",
    person: Person = None,
    team: Team = "",
    project: Project = "",
    action: Action = None,
    outcome: Outcome = None,
    cluster: Cluster = "",
    request_id: RequestId = "",
    code: Code = "",
    reason: Reason = "",
    ip: Address = "",
    limit: Limit = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new events as they come.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read the audit, newest first. With --follow the newest are last, and JSON is one event a line."""
    query = _event_query(locals())
    with Client(load()) as client:
        if follow:
            _follow(client, query, limit, as_json=as_json)
        rows = _first(client, "/audit/events", limit, query)
    _show(rows, lambda events: emit_table(EVENT_COLUMNS, map(event_cells, events)), as_json=as_json)


def export(  # noqa: PLR0917 -- as above
    search: SearchEvents = "",
    time_range: Range = "",
    since: Since = "",
    until: Until = "",
    person: Person = None,
    team: Team = "",
    project: Project = "",
    action: Action = None,
    outcome: Outcome = None,
    cluster: Cluster = "",
    request_id: RequestId = "",
    code: Code = "",
    reason: Reason = "",
    ip: Address = "",
) -> None:
    """Write the audit to stdout as JSON Lines, oldest first. The last line is a sealed manifest."""
    query = _event_query(locals())
    with Client(load()) as client, client.stream("/audit/export", query) as pieces:
        _copy(pieces)


def grants(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="Short name of the team.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """List who has which role in a team, and until when."""
    if not team.replace("-", "").replace("_", "").isalnum():
        raise typer.BadParameter("not the short name of a team", param_hint="TEAM")
    with Client(load()) as client:
        rows = list(client.pages(f"/teams/{team}/grants"))
    _show(rows, emit_grants, as_json=as_json)


def _event_query(options: Query) -> Query:
    """The filters among a command's options, by the API's names."""
    return {name: options[option] for option, name in EVENT_FILTERS.items()}


def _first(client: Client, path: str, limit: int, query: Query) -> list[Row]:
    """So many rows of a list; says so if there are more."""
    rows = list(islice(client.pages(path, page_size=min(limit + 1, 200), **query), limit + 1))
    if len(rows) > limit:
        progress(f"The first {limit} rows; --limit gives more.")
    return rows[:limit]


def _show(rows: list[Row], table: Callable[[Iterable[Row]], None], *, as_json: bool) -> None:
    if as_json:
        emit_json(rows)
    elif rows:
        table(rows)
    else:
        progress("Nothing found.")


def _follow(client: Client, query: Query, limit: int, *, as_json: bool) -> None:
    """Print the last events and then each new one, until the person stops it.

    In the order of the ledger: by its time an event may belong before others that were printed already.
    """
    count = max(limit, 50)  # a few more, as the newest by time need not be the last in the ledger
    newest = islice(client.pages("/audit/events", page_size=min(count, 200), **query), count)
    try:
        rows, last = sorted(newest, key=itemgetter("seq"))[-limit:], 0
        while True:
            for row in rows:
                if row["seq"] <= last:
                    raise client.unexpected_answer()
                emit_json(row, indent=None) if as_json else emit("  ".join(map(printable, event_cells(row))))
                last = row["seq"]
            if len(rows) < BATCH:
                time.sleep(FOLLOW_SECONDS)
            rows = client.get("/audit/events", after=last, limit=BATCH, **query)["items"]
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _copy(pieces: Iterator[bytes]) -> None:
    """Bytes as they are into a file or pipe, for the seal; without control characters onto a terminal."""
    end = b""
    try:
        for piece in pieces:
            end = (end + piece)[-LONGEST_MANIFEST:]
            if sys.stdout.isatty():
                lines = piece.decode(errors="replace").split("\n")
                sys.stdout.write("\n".join(map(printable, lines)))
            else:
                sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        pipe_closed()
    if not end.rstrip(b"\n").rpartition(b"\n")[2].startswith(b'{"manifest"'):
        raise Failure("The export broke off: it is not complete.", ExitCode.UNREACHABLE)
