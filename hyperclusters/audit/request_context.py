"""The origin of an act, stored for the current thread, so that no service has to pass it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`source` is `page`, `worker` or `command`; `ip` and `request_id` are empty where there is no web request."""

    source: str = "command"
    ip: str = ""
    request_id: str = ""


_current: ContextVar[RequestContext] = ContextVar("origin", default=RequestContext())  # noqa: B039 -- frozen


def current() -> RequestContext:
    """The origin that `record` stores."""
    return _current.get()


@contextmanager
def request_context(context: RequestContext) -> Iterator[None]:
    """Everything recorded inside has this origin."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
