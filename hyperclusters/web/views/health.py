"""For machines: is the process up, and can it serve."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from hyperclusters.clusters.heartbeat import is_a_worker_alive, seconds_ahead


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nothing of the database, so that a database outage restarts nobody."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers; says as well whether a worker is alive, and whether this process's clock is right. Neither
    keeps pages from being served."""
    try:
        alive, ahead = is_a_worker_alive(), seconds_ahead()
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "does not answer"}, status=503)
    clock = "ok" if ahead is None else f"wrong: {ahead:+.0f} s ahead"
    return JsonResponse(
        {"status": "ok", "database": "ok", "worker": "alive" if alive else "none", "clock": clock}
    )
