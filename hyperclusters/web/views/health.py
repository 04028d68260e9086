"""For machines: is the process up, and can it serve."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from hyperclusters.audit.chain import KeyMissing, current_key
from hyperclusters.clusters.heartbeat import is_a_worker_alive


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nothing of the database, so that a database outage restarts nobody."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers, and what is done can be recorded; says as well whether a worker is alive, which does not keep
    pages from being served."""
    try:
        alive = is_a_worker_alive()
        current_key()
    except KeyMissing:
        text = "AUDIT_KEYS lacks the audit's current key"
        return JsonResponse({"status": "unavailable", "database": "ok", "audit": text}, status=503)
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "does not answer"}, status=503)
    return JsonResponse({"status": "ok", "database": "ok", "worker": "alive" if alive else "none"})
