"""How the simulated cloud behaves where the vendor's documentation is silent, and what tests need to change."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .fields import field_of, fields_of, number, one_of, optional, read, true_or_false, whole_number


@dataclass(frozen=True)
class Behaviours:
    """All behaviours. The defaults are as documented, or the simplest where nothing is documented."""

    unique_names: bool = field_of(
        False, true_or_false, "A second cluster of a name in a project is refused: 409 ModelArts.0103."
    )
    quota: int | None = field_of(
        None,
        optional(whole_number()),
        "The most clusters that a project may have; one more is refused: 400 ModelArts.0106.",
    )
    list_lag: float = field_of(0.0, number(), "Seconds after its creation until a cluster appears in lists.")
    error_on_empty_list: bool = field_of(
        False,
        true_or_false,
        "Documented: a list without clusters is an error (400 ModelArts.6404; the code is a guess).",
    )
    ids: str = field_of(
        "uuid", one_of("uuid", "odd"), "IDs of new clusters: as documented, or safe but not a UUID (odd)."
    )
    network_info: str = field_of(
        "documented",
        one_of("documented", "absent", "null", "empty"),
        "network_info in answers: as documented, left out (absent), null, or an empty list.",
    )
    clock_offset: float = field_of(
        0.0,
        number(-1e9),
        "Seconds that the gateway's clock is ahead: its Date header and its check of X-Sdk-Date.",
    )


FIELDS = fields_of(Behaviours)


def current(db: sqlite3.Connection) -> Behaviours:
    """The behaviours as every process sees them now."""
    row = db.execute("SELECT value FROM switches WHERE name = 'all'").fetchone()
    stored = json.loads(row["value"]) if row else {}
    return Behaviours(**{name: stored[name] for name in FIELDS if name in stored})


def change(db: sqlite3.Connection, changes: Mapping[str, Any]) -> Behaviours:
    """Change the named behaviours and leave the others. Raises BehaviourError, and then changes none."""
    behaviours = Behaviours(**read(FIELDS, changes, base=asdict(current(db))))
    db.execute("INSERT OR REPLACE INTO switches VALUES ('all', ?)", (json.dumps(asdict(behaviours)),))
    return behaviours


def reset(db: sqlite3.Connection) -> None:
    """Reset every behaviour to its default."""
    db.execute("DELETE FROM switches")
