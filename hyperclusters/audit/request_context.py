"""The origin of an act, stored for the current thread, so that no service has to pass it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`source` is `page`, `api`, `worker` or `command`; `ip` and `request_id` are empty where there is no web request.

    `token`: the name and ID of the API token that a request came with.
    """

    source: str = "command"
    ip: str = ""
    request_id: str = ""
    token: str = ""


_current: ContextVar[RequestContext] = ContextVar("origin", default=RequestContext())  # noqa: B039 -- frozen


def current() -> RequestContext:
    """The origin that `record` stores."""
    return _current.get()


def switch_to_token(token: str) -> None:
    """From now on, until the request's own context ends, its events say that they came by this API token."""
    _current.set(replace(_current.get(), source="api", token=token))


@contextmanager
def request_context(context: RequestContext) -> Iterator[None]:
    """Everything recorded inside has this origin."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
