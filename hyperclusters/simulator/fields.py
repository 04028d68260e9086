"""Fields of what a caller, a person or a test says: their checks, defaults and meanings."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Check = Callable[[str, Any], Any]
LARGEST_NUMBER = 2**53
REQUIRED: Any = object()


class BehaviourError(ValueError):
    """An unknown name, or a value that makes no sense; the text names it."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field: the check that gives its value or raises BehaviourError, its default, and its meaning for people."""

    check: Check
    default: Any = REQUIRED
    meaning: str = ""


def read(
    fields: Mapping[str, Field],
    content: Mapping[str, Any],
    *,
    base: Mapping[str, Any] = MappingProxyType({}),
    strict: bool = True,
) -> dict[str, Any]:
    """The value of each field; one that is left out has that of `base` or its default.

    Raises BehaviourError; for unknown names only if strict.
    """
    if strict and (unknown := [name for name in content if name not in fields]):
        raise BehaviourError(f"there is no {', '.join(unknown)}; there are: {', '.join(fields)}")
    values = {name: field.default for name, field in fields.items()} | dict(base)
    values |= {name: fields[name].check(name, value) for name, value in content.items() if name in fields}
    for name, value in values.items():
        if value is REQUIRED:
            raise BehaviourError(f"{name} is required")
    return values


def field_of(default: Any, check: Check, meaning: str) -> Any:
    """A dataclass's field with its check."""
    return dataclasses.field(default=default, metadata={"field": Field(check, default, meaning)})


def fields_of(record: Any) -> dict[str, Field]:
    """The fields of a dataclass, by name."""
    return {each.name: each.metadata["field"] for each in dataclasses.fields(record)}


def text(name: str, value: Any) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise BehaviourError(f"{name} must be text")
    return value


def true_or_false(name: str, value: Any) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise BehaviourError(f"{name} must be true or false")
    return value


def matching(pattern: str) -> Check:
    """Text that matches as a whole."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise BehaviourError(f"{name} must match ^{pattern}$")
        return value

    return check


def one_of(*choices: str) -> Check:
    """One of these texts."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise BehaviourError(f"{name} must not be {value!r} but one of: {', '.join(choices)}")
        return value

    return check


def whole_number(least: int = 0, most: int = LARGEST_NUMBER) -> Check:
    """An integer within these bounds, which the store can hold."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise BehaviourError(f"{name} must be a whole number from {least} to {most}")
        return value

    return check


def number(least: float = 0.0, most: float = 1e9) -> Check:
    """A number within these bounds, neither infinity nor NaN."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise BehaviourError(f"{name} must be a number from {least:g} to {most:g}")
        return float(value)

    return check


def list_of(check_one: Check, most: int = LARGEST_NUMBER) -> Check:
    """A list of at most so many of these, as a tuple."""

    def check(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) > most:
            raise BehaviourError(f"{name} must be a list of at most {most}")
        return tuple(check_one(name, each) for each in value)

    return check


def optional(check_value: Check) -> Check:
    """None, or what this check allows."""
    return lambda name, value: None if value is None else check_value(name, value)
