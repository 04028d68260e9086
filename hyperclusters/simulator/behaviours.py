"""How the simulated cloud behaves where the vendor's documentation is silent, and what tests need to change.

Every behaviour is a field with its meaning; help page, checks and store read them from here.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any

AS_DOCUMENTED = "documented"
AS_OBSERVED = "observed"
LARGEST_NUMBER = 2**53
OWN = "not documented by the vendor: a switch of this simulator"


class BehaviourError(ValueError):
    """An unknown behaviour or fault parameter, or a wrong value."""


def _switch(default: Any, label: str, description: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"label": label, "meaning": description, "choices": choices})


@dataclass(frozen=True)
class Behaviours:
    """All behaviours. The defaults are as documented, or the simplest where nothing is documented."""

    unique_names: bool = _switch(
        False, OWN, "A second cluster of a name in a project is refused: 409 ModelArts.0103."
    )
    quota: int | None = _switch(
        None, OWN, "The most clusters that a project may have; one more is refused: 400 ModelArts.0106."
    )
    refuse_delete_in_use: tuple[str, ...] = _switch(
        (),
        OWN,
        "IDs of clusters that are in use: deleting one is refused with 409 and a code of this simulator.",
    )
    list_lag: float = _switch(0.0, OWN, "Seconds after its creation until a cluster appears in lists.")
    error_on_empty_list: bool = _switch(
        False, AS_DOCUMENTED, "A list without clusters is an error (400 ModelArts.6404; the code is a guess)."
    )
    ids: str = _switch(
        "uuid", OWN, "IDs of new clusters: as documented, or safe but not a UUID.", ("uuid", "odd")
    )
    network_info: str = _switch(
        "documented",
        OWN,
        "network_info in answers: as documented, left out, null, or an empty list.",
        ("documented", "absent", "null", "empty"),
    )
    clock_offset: float = _switch(
        0.0, OWN, "Seconds that the gateway's clock is ahead: its Date header and its check of X-Sdk-Date."
    )
    lock_seconds: float = _switch(
        300.0,
        AS_DOCUMENTED,
        "How long more than 5 bad signatures in a row lock a key (documented: 5 minutes).",
    )


_FIELDS = {each.name: each for each in fields(Behaviours)}


def current(db: sqlite3.Connection) -> Behaviours:
    """The behaviours as every process sees them now."""
    row = db.execute("SELECT value FROM switches WHERE name = 'all'").fetchone()
    return _parse(row["value"]) if row else Behaviours()


def change(db: sqlite3.Connection, changes: Mapping[str, Any]) -> Behaviours:
    """Change the named behaviours and leave the others. Raises BehaviourError, and then changes none."""
    checked = {name: _check_value(name, value) for name, value in changes.items()}
    behaviours = Behaviours(**{**asdict(current(db)), **checked})
    db.execute("INSERT OR REPLACE INTO switches VALUES ('all', ?)", (json.dumps(asdict(behaviours)),))
    return behaviours


def reset(db: sqlite3.Connection) -> None:
    """Reset every behaviour to its default."""
    db.execute("DELETE FROM switches")


@lru_cache(maxsize=8)
def _parse(text: str) -> Behaviours:
    values: dict[str, Any] = json.loads(text)
    values["refuse_delete_in_use"] = tuple(values["refuse_delete_in_use"])
    return Behaviours(**values)


def _check_value(name: str, value: Any) -> Any:
    if name not in _FIELDS:
        raise BehaviourError(f"there is no switch {name!r}; there are: {', '.join(_FIELDS)}")
    default, choices = _FIELDS[name].default, _FIELDS[name].metadata["choices"]
    if choices:
        return one_of(name, value, choices)
    if isinstance(default, bool):
        return true_or_false(name, value)
    if isinstance(default, tuple):
        return _texts(name, value)
    if name == "quota":
        return None if value is None else whole_number(name, value)
    return number(name, value, least=-1e9 if name == "clock_offset" else 0.0)


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value if it is one of the choices. This and the next raise BehaviourError."""
    if not isinstance(value, str) or value not in choices:
        raise BehaviourError(f"{name} must be one of: {', '.join(choices)}")
    return value


def true_or_false(name: str, value: Any) -> bool:
    """The value if it is a boolean."""
    if not isinstance(value, bool):
        raise BehaviourError(f"{name} must be true or false")
    return value


def whole_number(name: str, value: Any, least: int = 0) -> int:
    """The value if it is an integer of at least `least` that the store can hold."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_NUMBER:
        raise BehaviourError(f"{name} must be a whole number, {least} or more")
    return value


def number(name: str, value: Any, least: float = 0.0, most: float = 1e9) -> float:
    """The value if it is a number within the bounds, neither infinity nor NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BehaviourError(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)


def text(name: str, value: Any) -> str:
    """The value if it is text."""
    if not isinstance(value, str):
        raise BehaviourError(f"{name} must be text")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise BehaviourError(f"{name} must be a list of texts")
    return tuple(value)
