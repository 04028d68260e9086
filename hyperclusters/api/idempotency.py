"""The `Idempotency-Key` of a write, and what a request with a key that was used already gets."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from hyperclusters.clusters.models import Creation, Deletion
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.problems import problem

KEY = re.compile(r"[!-~]{1,255}")
PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "description": "1 to 255 visible ASCII characters, new for each thing you want: a UUID, or a pipeline's run ID",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "minLength": 1, "maxLength": 255},
    "example": "run-4711-create-train-a3-west",
}
REPLAY_HEADER: dict[str, Any] = {
    "description": "`true` if this key was used before, with the same body",
    "schema": {"type": "string", "enum": ["true"]},
}


def key_of(request: PageRequest) -> str:
    """The request's key; empty if it has none, or none that we take."""
    key = request.headers.get("Idempotency-Key", "")
    return key if KEY.fullmatch(key) else ""


def key_missing(request: PageRequest) -> HttpResponse:
    """400: without a key a lost answer could not be told from a request that was never made."""
    detail = _("Send an Idempotency-Key header of 1 to 255 visible ASCII characters.")
    code = "idempotency_key_invalid" if "Idempotency-Key" in request.headers else "idempotency_key_missing"
    return problem(request, 400, code, detail)


def note_replay(request: PageRequest, response: HttpResponse, row: Creation | Deletion) -> None:
    """Mark the answer if an earlier request made this row, and say where it is."""
    if row.request_id != request.META["REQUEST_ID"]:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"/api/v1/{row.KIND}s/{row.pk}"
