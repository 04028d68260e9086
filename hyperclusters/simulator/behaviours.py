"""How the simulated cloud behaves where the vendor's documentation is silent, and what tests need to change."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from .grammar import Record, Seconds, Whole


class Behaviours(Record):
    """All behaviours. The defaults are as documented, or the simplest where nothing is documented."""

    unique_names: bool = Field(
        default=False, description="A second cluster of a name in a project is refused: 409 ModelArts.0103."
    )
    quota: Whole | None = Field(
        default=None,
        description="The most clusters that a project may have; one more is refused: 400 ModelArts.0106.",
    )
    list_lag: Seconds = Field(
        default=0.0, description="Seconds after its creation until a cluster appears in lists."
    )
    error_on_empty_list: bool = Field(
        default=False,
        description="Documented: a list without clusters is an error (400 ModelArts.6404; the code is a guess).",
    )
    ids: Literal["uuid", "odd"] = Field(
        default="uuid", description="IDs of new clusters: as documented, or safe but not a UUID (odd)."
    )
    network_info: Literal["documented", "absent", "null", "empty"] = Field(
        default="documented",
        description="network_info in answers: as documented, left out, null, or an empty list.",
    )
    clock_offset: float = Field(
        default=0.0,
        description="Seconds that the gateway's clock is ahead: its Date header and its check of X-Sdk-Date.",
    )


def current(db: sqlite3.Connection) -> Behaviours:
    """The behaviours as every process sees them now."""
    row = db.execute("SELECT value FROM switches WHERE name = 'all'").fetchone()
    return Behaviours.model_validate_json(row["value"], extra="ignore") if row else Behaviours()


def change(db: sqlite3.Connection, changes: Mapping[str, Any]) -> Behaviours:
    """Change the named behaviours and leave the others. Raises BehaviourError, and then changes none."""
    behaviours = Behaviours.read({**current(db).model_dump(), **changes})
    db.execute("INSERT OR REPLACE INTO switches VALUES ('all', ?)", (behaviours.model_dump_json(),))
    return behaviours


def reset(db: sqlite3.Connection) -> None:
    """Reset every behaviour to its default."""
    db.execute("DELETE FROM switches")
