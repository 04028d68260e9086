"""Errors of a call, by meaning. Callers never need a status code."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from hyperclusters.modelarts.types import Exchange


class Proof(StrEnum):
    """What an error proves about the request having been carried out."""

    NOT_SENT = "not_sent"  # no byte of it left
    NOT_EXECUTED = "refused"  # the cloud said no
    NOTHING = "nothing"  # it may have been carried out


class ModelArtsError(Exception):
    """The base of every error of this package.

    `code`, `message` and `request_id` are the cloud's own words, made safe to store and show, and empty where it gave
    none; without an answer, `message` is the network error. `cause` is a short, stable slug such as
    `connect_timeout`, `status_502` or `wrong_name`. `exchange` is None if the call was refused before a request
    existed.
    """

    default_proof: ClassVar[Proof] = Proof.NOT_EXECUTED

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        request_id: str = "",
        exchange: Exchange | None = None,
        proves: Proof | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.request_id = request_id
        self.exchange = exchange
        self.proves = self.default_proof if proves is None else proves
        self.cause = cause

    def __str__(self) -> str:
        return ": ".join(part for part in (self.cause, self.code, self.message) if part)


class InvalidRequest(ModelArtsError, ValueError):
    """Our own grammar refused `field` before anything was built."""

    default_proof = Proof.NOT_SENT
    field: str = ""


class Invalid(ModelArtsError):
    """The cloud refused a parameter, or the request as such."""


class Denied(ModelArtsError):
    """The cloud doesn't permit this to the owner of the key."""


class CredentialsRefused(Denied):
    """The key or its signature is wrong. Never repeat it: more than 5 in a row lock the key (vendor)."""


class ClockSkew(Denied):
    """`X-Sdk-Date` is more than 15 minutes from the cloud's clock.

    `offset` is what to add to the client's clock (its `clock_offset`), None if the answer had no readable date.
    """

    offset: timedelta | None = None


class NotFound(ModelArtsError):
    """There is no such cluster, or something that the request refers to doesn't exist."""


class Exists(ModelArtsError):
    """A cluster of this name exists."""


class Quota(ModelArtsError):
    """A quota is used up."""


class Throttled(ModelArtsError):
    """Too many requests; try later. `retry_after` is in seconds, None if the cloud gave no time."""

    retry_after: float | None = None


class Misconfigured(ModelArtsError):
    """The gateway knows no such API: the endpoint or the path is wrong."""


class Unavailable(ModelArtsError):
    """Nothing was sent, or a call that changes nothing got no usable answer. Trying again is safe."""

    default_proof = Proof.NOTHING


class OutcomeUnknown(ModelArtsError):
    """A create or delete was sent, and the answer doesn't say whether it was carried out."""

    default_proof = Proof.NOTHING
