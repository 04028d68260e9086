"""Writes the log: one JSON object a line, each with its request.

Whatever a line says is a value in it, escaped: nobody who can get a text into the log can forge a line.
"""

import logging
from typing import Any

import structlog
from django.http import HttpRequest
from structlog.typing import Processor

PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
]


def redacted_path(request: HttpRequest) -> str:
    """The path for the log and the audit, without the secret part of a link that signs somebody in."""
    token = request.resolver_match.kwargs.get("token") if request.resolver_match else None
    return request.path.replace(token, "…") if isinstance(token, str) else request.path


def _without_django_s_own(_: Any, __: str, line: Any) -> Any:
    """Drop the request and sockets that Django adds, whose repr is useless in a log, and the path in its text."""
    for name in ("server_time", "message"):  # the second is what another handler's formatter leaves behind
        line.pop(name, None)
    request = line.pop("request", None)
    if isinstance(request, HttpRequest):
        line["event"] = str(line["event"]).replace(request.path, redacted_path(request))
    return line


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether Django's own line about an answer says more than ours: a refusal is no fault, nor is not being ready."""
    request = getattr(record, "request", None)
    is_probe = isinstance(request, HttpRequest) and request.path == "/readyz"
    return getattr(record, "status_code", 500) >= 500 and not is_probe


def configuration(*, level: str) -> dict[str, Any]:
    """The value of Django's LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": PROCESSORS,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _without_django_s_own,
                    structlog.processors.JSONRenderer(ensure_ascii=True),
                ],
            }
        },
        "filters": {"faults": {"()": "django.utils.log.CallbackFilter", "callback": _is_fault}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "django.request": {"filters": ["faults"]},
            "django.server": {"handlers": [], "propagate": True},
            "django.db.backends": {"level": "INFO"},  # at DEBUG it writes values of SQL: session IDs, hashes
            "asyncio": {"level": "WARNING"},
            # They write whole URLs; `modelarts` writes a line of its own for each call.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }
