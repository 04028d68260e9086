"""How often one person may do what is costly to answer. Counted in memory, so per web process: a read writes nothing."""

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from hyperclusters.web.shared.error_pages import too_many

View = Callable[..., Any]
FORGET_ABOVE = 10_000  # people and acts; those who may begin anew anyway are forgotten then

_lock = threading.Lock()
_spent_until: dict[tuple[int, str], float] = {}


def rate_limit(
    act: str, per_minute: str, *, when: Callable[[HttpRequest], Any] = bool
) -> Callable[[View], View]:
    """At most the setting `per_minute` of these a person and minute, all of them at once if need be; 0 is no limit.

    `when` tells which requests count. One too many is answered 429 and says when to come again.
    """

    def decorator(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            limit = getattr(settings, per_minute)
            if (
                limit
                and when(request)
                and (wait := _take((int(request.user.pk or 0), act), 60 / limit, 60.0))
            ):
                return too_many(request, wait)
            return view(request, *args, **kwargs)

        return wrapper

    return decorator


def searches(request: HttpRequest) -> bool:
    """Whether the request searches."""
    return bool(request.GET.get("q"))


def is_post(request: HttpRequest) -> bool:
    """Whether the request does it, and does not only show how."""
    return request.method == "POST"


def _take(key: tuple[int, str], step: float, ahead: float) -> float:
    """Seconds to wait, or 0 and it is taken: one `step` of time is spent, and at most `ahead` may be."""
    now = time.monotonic()
    with _lock:
        if len(_spent_until) > FORGET_ABOVE:
            for old in [key for key, until in _spent_until.items() if until <= now]:
                del _spent_until[old]
        until = max(_spent_until.get(key, now), now) + step
        if until > now + ahead + 1e-9:
            return until - now - ahead
        _spent_until[key] = until
    return 0.0
