"""What must hold when everything is at rest: our rows and events against the cloud's journal and store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hyperclusters.simulator.journal import JournalEntry

MOVING = {"queued", "sending", "unknown"}
MADE_BY = {"created": {"reply", "listed", "human"}}
NOT_MADE_BY = {
    "refused": {"not_sent", "refused", "listed"},  # listed: the name is taken, maybe by an earlier attempt
    "failed": {"not_sent", "refused"},
    "not_created": {"absent_after_horizon", "human"},
    "cancelled": {"not_sent", "refused"},
}


@dataclass(frozen=True)
class Records:
    """One project at rest: what the database has, and what the cloud has."""

    creations: list[dict[str, Any]]
    events: list[dict[str, Any]]
    clusters: list[dict[str, Any]]
    journal: list[JournalEntry]
    living: set[str]  # IDs of the clusters that the cloud has
    chain: list[str] = field(default_factory=list)  # what `verify_audit` says of the whole ledger
    witnessed: list[str] = field(default_factory=list)

    def posts(self, name: str) -> list[JournalEntry]:
        """The creates of this name that reached the cloud, oldest first."""
        return [entry for entry in self.journal if entry.call == "create" and entry.name == name]

    def made(self, name: str) -> list[str]:
        """The IDs that those creates made."""
        return [post.effect.removeprefix("created ") for post in self.posts(name) if post.effect != "none"]


def breaches(records: Records) -> list[str]:
    """Every broken promise, one line each that begins with its number. Should be empty."""
    names = [*records.witnessed, *(f"G3 the audit's chain: {line}" for line in records.chain)]
    for creation in records.creations:
        names += [
            f"{line} ({creation['name']}: {creation['state']})" for line in _of_creation(creation, records)
        ]
    names += _of_project(records)
    return names


def _of_creation(creation: dict[str, Any], records: Records) -> Iterator[str]:
    if creation["state"] in MOVING:
        yield "G3 not at rest"
    yield from _verdict(creation, records)
    yield from _history(creation, records)


def _verdict(creation: dict[str, Any], records: Records) -> Iterator[str]:
    """G7 and G11: the verdict, its evidence, its cluster and the cloud say the same."""
    state, evidence = creation["state"], creation["evidence"]
    bound = [row["id"] for row in records.clusters if row["creation"] == creation["id"]]
    is_alone = sum(row["name"] == creation["name"] for row in records.creations) == 1
    made = set(records.made(creation["name"])) & records.living
    allowed = MADE_BY.get(state) or NOT_MADE_BY.get(state)
    if allowed and evidence not in allowed:
        yield f"G7 {state!r} by {evidence!r}"
    reached = sum(post.accepted for post in records.posts(creation["name"]))
    if evidence == "not_sent" and reached and is_alone:
        yield f"G7 {state!r} by 'not_sent', and {reached} creates reached the cloud"
    if state in MADE_BY:
        if len(bound) != 1:
            yield f"G11 'created' with {len(bound)} clusters"
        elif bound[0] not in made and evidence != "human":
            yield "G7 'created', but what it names was not made by any create of ours"
    if state in NOT_MADE_BY:
        if bound:
            yield f"G11 {state!r} with a cluster"
        if (
            made and is_alone
        ):  # also where the conflict was noticed since: the verdict was wrong when it was given
            yield f"G7 {state!r}, but the cloud made it"


def _history(creation: dict[str, Any], records: Records) -> Iterator[str]:
    """G19: one event per transition, each beginning where the last one ended."""
    events = [event for event in records.events if event["creation"] == creation["id"]]
    if [event["seq"] for event in events] != sorted({event["seq"] for event in events}):
        yield "G21 events out of order"
    if not events or events[0]["action"] != "cluster:create:requested":
        yield "G1 no event of the request"
        return
    state, moves = "queued", 0
    for event in events[1:]:
        if not event["before"]:
            continue
        if event["before"] != state:
            yield f"G19 event {event['action']} from {event['before']!r} where it was {state!r}"
        state, moves = event["after"], moves + 1
    if state != creation["state"]:
        yield f"G19 the last event says {state!r}"
    if moves != creation["version"]:
        yield f"G19 {creation['version']} transitions with {moves} events"
    begun = sum(event["action"] == "cluster:create:sending" for event in events)
    if begun != creation["attempts"]:
        yield f"G1 {creation['attempts']} sends with {begun} events"


def _of_project(records: Records) -> Iterator[str]:
    """G4, G5, G6 and G11 across the rows of a project."""
    for name in {entry.name for entry in records.journal if entry.call == "create"}:
        posts = records.posts(name)
        rows = [row for row in records.creations if row["name"] == name]
        if len(posts) > sum(row["attempts"] for row in rows):
            yield f"G1 {len(posts)} creates of {name} without a record of each"
        if len(rows) == 1:
            for post in posts[:-1]:
                if post.accepted and not (post.effect == "none" and post.answer == "429"):
                    yield f"G4 {name} was sent again after a create that is not proved void"
            if len(records.made(name)) > 1:
                yield f"G4 {name} was made {len(records.made(name))} times"
    tokens = [row["token"] for row in records.creations]
    if len(tokens) != len(set(tokens)):
        yield "G5 one form made two creations"
    open_names = [row["name"] for row in records.creations if row["state"] in MOVING | {"needs_attention"}]
    if len(open_names) != len(set(open_names)):
        yield "G6 one name is open twice"
    owners = [row["creation"] for row in records.clusters if row["creation"]]
    if len(owners) != len(set(owners)):
        yield "G11 one creation owns two clusters"
