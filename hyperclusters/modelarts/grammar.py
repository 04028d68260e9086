"""The vendor's grammar, always matched as a whole.

Source: the vendor's page "Creating a Hyper Cluster" and its siblings. The predicates accept any object, so that
values from JSON need no type check first.
"""

import re
from typing import TypeGuard

NAME_PATTERN = re.compile(r"[-_.a-zA-Z0-9]{1,64}")
PROJECT_ID_PATTERN = re.compile(r"[-a-zA-Z0-9]{1,64}")
CLUSTER_ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SUBNET_ID_PATTERN = CLUSTER_ID_PATTERN  # the documented patterns are the same
_UUID_PATTERN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_ENDPOINT_PATTERN = re.compile(
    r"https?://(?:[a-zA-Z0-9](?:[-.a-zA-Z0-9]{0,251}[a-zA-Z0-9])?|\[[0-9a-fA-F:.]{2,45}\])(?::([0-9]{1,5}))?"
)
_LARGEST_PORT = 65535
_SECRET_PATTERN = re.compile(r"[!-~]{1,16384}")  # what may stand in a header: visible ASCII, no spaces


def is_name(value: object) -> TypeGuard[str]:
    """Whether this is a valid name of a hyper cluster; `.`, `..` and `--help` are."""
    return isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None


def is_subnet_id(value: object) -> TypeGuard[str]:
    """Whether this may be sent as `hyper_cluster_subnet_id`: a lower-case UUID, versions 1 to 5."""
    return isinstance(value, str) and SUBNET_ID_PATTERN.fullmatch(value) is not None


def is_project_id(value: object) -> TypeGuard[str]:
    """Whether this is a valid project ID."""
    return isinstance(value, str) and PROJECT_ID_PATTERN.fullmatch(value) is not None


def is_cluster_id(value: object) -> TypeGuard[str]:
    """Whether this is a cluster ID as documented: a lower-case UUID, versions 1 to 5."""
    return isinstance(value, str) and CLUSTER_ID_PATTERN.fullmatch(value) is not None


def is_safe_id(value: object) -> TypeGuard[str]:
    """Whether an ID from the cloud can be stored and used: 1 to 64 safe characters.

    Not `.` and `..`: an ID becomes a segment of a path, and those would name another resource.
    """
    return is_name(value) and value not in {".", ".."}


def canonical_id(value: str) -> str:
    """The same for all spellings of one ID: a UUID of any version in lower case, any other ID unchanged."""
    return value.lower() if _UUID_PATTERN.fullmatch(value) else value


def is_endpoint(value: object) -> TypeGuard[str]:
    """Whether this is `http(s)://host[:port]` and nothing more: no path, query or user name."""
    match = _ENDPOINT_PATTERN.fullmatch(value) if isinstance(value, str) else None
    return match is not None and int(match[1] or 0) <= _LARGEST_PORT


def is_header_safe(value: object) -> TypeGuard[str]:
    """Whether a key or token can be a header value as it is."""
    return isinstance(value, str) and _SECRET_PATTERN.fullmatch(value) is not None
