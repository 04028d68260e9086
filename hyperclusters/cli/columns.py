"""How each thing of the API is printed for people."""

from __future__ import annotations

from collections.abc import Iterable

from .output import Row, emit_fields, emit_table, when

STATES = {
    "queued": "Waiting to be sent",
    "sending": "Being sent to the cloud",
    "unknown": "Checking the cloud",
    "needs_attention": "Needs a decision",
    "created": "Created",
    "deleted": "Deleted",
    "failed": "Failed",
    "not_created": "Not created",
    "refused": "Refused",
    "cancelled": "Withdrawn",
}


def state_text(row: Row) -> str:
    """The state of a creation or deletion in words."""
    state = str(row["state"])
    approval = (row.get("approval") or {}).get("state")  # a server of the release before has none
    if state == "queued" and approval == "waiting":
        return "Waiting for approval by another admin of the team"
    if state == "refused" and approval == "declined":
        return "Declined"
    if state == "deleted" and row.get("conflict"):
        return "Deleted, but the cloud lists it again"
    return STATES.get(state, state)


def emit_creation(row: Row) -> None:
    """One creation."""
    cluster = row["cluster"] or {}
    subnet = row["hyper_cluster_subnet_id"] or "default network"
    emit_fields(
        [
            *_operation(row),
            ("Type", row["type"]),
            ("Subnet", subnet),
            ("Cluster", cluster.get("id")),
            ("Cloud ID", cluster.get("cluster_id")),
            *_approval(row.get("approval") or {}),
            *_outcome(row),
        ]
    )


def _approval(approval: Row) -> list[tuple[str, object]]:
    """Which rule asks for approval, who decided, and why."""
    if not approval.get("needed"):
        return []
    kind, _colon, value = str(approval["why"]).partition(":")
    rule = f"from cluster {value} on" if kind == "count" else f"for {value or 'an unstated type'}"
    is_decided = approval["state"] in {"approved", "declined"}
    return [
        ("Approval", f"{approval['state']}, needed {rule}"),
        ("Decided by", approval["by"]),
        ("Decided", when(approval["at"]) if is_decided else None),
        ("Their reason", approval["reason"]),
    ]


def emit_deletion(row: Row) -> None:
    """One deletion."""
    names = [f"{each['name'] or each['id']} ({each['kind']})" for each in row.get("blockers") or ()]
    blockers = ", ".join(_with_rest(names, row.get("blockers_count")))
    lock = [("Locked by", row.get("locked_by")), ("Lock reason", row.get("lock_reason"))]
    cluster = [("Cluster", row["cluster"]["id"]), ("Inside", blockers), *lock]
    emit_fields([*_operation(row), *cluster, *_outcome(row)])


def _operation(row: Row) -> list[tuple[str, object]]:
    return [("ID", row["id"]), ("Name", row["name"]), ("State", state_text(row)), ("Project", row["project"])]


def _outcome(row: Row) -> list[tuple[str, object]]:
    return [
        ("Reason", row["reason"]),
        ("Cause", row["cause"]),
        ("Error code", row["code"]),
        ("Cloud's words", row["message"]),
        ("Cloud request ID", row["cloud_request_id"]),
        ("Requested by", row["requested_by"]),
        ("Requested", when(row["requested_at"])),
        ("Settled", when(row["settled_at"])),
        ("Next check", when(row["next_check_at"])),
    ]


def emit_creations(rows: Iterable[Row]) -> None:
    """A list of creations."""
    columns = ("Name", "State", "Type", "Project", "Requested by", "Requested", "ID")
    cells = (
        (
            row["name"],
            state_text(row),
            row["type"],
            row["project"],
            row["requested_by"],
            when(row["requested_at"]),
            row["id"],
        )
        for row in rows
    )
    emit_table(columns, cells)


def emit_cluster(row: Row) -> None:
    """One cluster."""
    networks = ", ".join(
        network["subnet_id"] + (" (default)" if network["is_default"] else "") for network in row["networks"]
    )
    emit_fields(
        [
            ("ID", row["id"]),
            ("Name", row["name"]),
            ("Cloud ID", row["cluster_id"]),
            ("Type", " and ".join(row["types"]) or row["type"]),
            ("Subnets", networks),
            *_inside(row["inside"]),
            ("Project", row["project"]),
            ("Team", row["team"]),
            ("Owner", row.get("owner") or "nobody"),
            ("Created by", row["created_by"] or "created elsewhere"),
            ("Creation", row["creation"]),
            ("Locked", when(row.get("locked_at"))),
            ("Locked by", row.get("locked_by")),
            ("Lock reason", row.get("lock_reason")),
            ("Found", when(row["found_at"])),
            ("Last seen", when(row["last_seen_at"])),
            ("Gone", when(row["gone_at"])),
        ]
    )


def _inside(inside: Row | None) -> list[tuple[str, object]]:
    """What is inside. Nothing is said where the server doesn't know it."""
    if inside is None:
        return []
    names = [f"{each['name'] or each['id']} ({each['status']})" for each in inside["supernodes"]]
    names += [f"{each['name'] or each['id']} (group)" for each in inside["groups"]]
    names = _with_rest(names, inside.get("count"))
    return [("Inside", ", ".join(names) or "nothing"), ("Inside listed", when(inside["checked_at"]))]


def _with_rest(names: list[str], count: int | None) -> list[str]:
    """The names, and how many the server left out. A server of the release before counts nothing."""
    more = (count or 0) - len(names)
    return [*names, f"and {more} more"] if more > 0 else names


def emit_clusters(rows: Iterable[Row]) -> None:
    """A list of clusters."""
    columns = ("Name", "Type", "Project", "Team", "Owner", "Locked", "Last seen", "ID")
    cells = (
        (
            row["name"],
            row["type"],
            row["project"],
            row["team"],
            row.get("owner") or "nobody",
            bool(row.get("locked_at")),
            when(row["last_seen_at"]),
            row["id"],
        )
        for row in rows
    )
    emit_table(columns, cells)


def event_cells(row: Row) -> tuple[object, ...]:
    """A line of the audit."""
    if not row["is_readable"]:
        return (row["seq"], "", "damaged", "", "", "", "")
    about = row["object"] or {}
    words = (row["response"] or {}).get("error_msg") or row["reason"]
    subject = about.get("name") or about.get("id")
    return (row["seq"], when(row["at"]), row["action"], row["outcome"], row["person"], subject, words)


def emit_grants(rows: Iterable[Row]) -> None:
    """Who has which role."""
    columns = ("Person", "Role", "Team", "Since", "Until", "Granted by", "Reason")
    cells = (
        (
            row["person"],
            row["role"],
            row["team"] or "whole site",
            when(row["since"]),
            when(row["until"]) or "no end",
            row["granted_by"],
            row["reason"],
        )
        for row in rows
    )
    emit_table(columns, cells)
