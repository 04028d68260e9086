"""The bodies of the JSON API's writes."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field

from .schemas import ClusterTypeName, Line, RoleName

SUBNET = "^$|^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


class Body(Schema):
    """The body of a write: unknown fields are refused, and no type stands in for another."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CreationBody(Body):
    project: Line = Field(description="Name of the project", examples=["vision-cn-southwest-2"])
    name: Line = Field(
        description="Name of the cluster: 1 to 64 letters, digits, `-`, `_` and `.`",
        examples=["train-a3-west"],
    )
    type: ClusterTypeName | None = Field(
        "HPS", description="Null: none is sent, and the cloud decides. The vendor does not document how"
    )
    hyper_cluster_subnet_id: Line = Field(
        "", description="A lower-case UUID; empty: the default network", json_schema_extra={"pattern": SUBNET}
    )
    reason: Line = Field("", description="Kept in the audit; some teams require it")


class DeletionBody(Body):
    confirm_name: Line = Field(
        description="The cluster's name, as a confirmation", examples=["train-a3-west"]
    )
    reason: Line = ""
    override_inside: bool = Field(
        default=False,
        description="Delete it even if something is inside or that can't be checked: for admins of the team, with a "
        "reason",
    )


def _utc(at: datetime) -> datetime:
    """In UTC, well before the last moment that a database keeps. Raises ValueError."""
    if at.tzinfo is None:
        raise ValueError("Say the time zone, as in 2027-01-31T18:00:00Z")
    if not 1 < at.year < MAXYEAR:
        raise ValueError("No time that can be kept")
    return at.astimezone(UTC)


class GrantBody(Body):
    person: Line = Field(description="User name", examples=["nina"])
    role: RoleName
    until: Annotated[datetime, AfterValidator(_utc)] | None = Field(
        None, strict=False, description="End of the access, with its time zone; null: none"
    )
    reason: Line = Field(min_length=1, examples=["Joins the team"])


class ApprovalBody(Body):
    days: int | None = Field(None, ge=1, le=3650, description="Days from now on; null: as the request asks")
    note: Line = ""


class DeclineBody(Body):
    note: Line = Field(min_length=1, description="Why; the person reads it")


class CreationApprovalBody(Body):
    reason: Line = Field("", description="Kept in the audit", examples=["Agreed with the budget's owner"])


class CreationDeclineBody(Body):
    reason: Line = Field(
        min_length=1, description="Why; the person reads it", examples=["Use the ECS cluster of last week"]
    )
