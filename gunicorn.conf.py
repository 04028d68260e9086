"""gunicorn's settings: how long a request may take, and what is checked before the first one is taken.

A web request never calls the cloud, so it is over long before KILL_AFTER; a worker process (`manage.py worker`)
has until SHUTDOWN_GRACE, see docs/operating.md.
"""

import os

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hyperclusters.settings")
try:
    bind, workers, threads = settings.BIND, settings.WEB_PROCESSES, settings.WEB_THREADS
except ImproperlyConfigured as error:
    raise SystemExit(f"The dashboard does not start: {error}") from None
timeout = 30  # seconds: a process that answers nothing for so long is replaced
graceful_timeout = (
    30  # seconds to finish requests in after SIGTERM; less than KILL_AFTER, which is checked below
)
keepalive = 5
max_requests, max_requests_jitter = 20_000, 2_000
limit_request_line, limit_request_fields, limit_request_field_size = 4094, 64, 8190
forwarded_allow_ips = ""  # X-Forwarded-* is read by the dashboard itself, by TRUSTED_PROXIES
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112 -- heartbeats off the disk
control_socket_disable = True
errorlog, accesslog = "-", None  # the dashboard writes a line for each request itself
loglevel = "warning"


def on_starting(server: object) -> None:  # noqa: ARG001 -- gunicorn's hook
    """Refuse to serve where something is wrong: known keys, a debugging page, keys that cannot be read."""
    django.setup()
    if graceful_timeout >= settings.KILL_AFTER:
        raise SystemExit("graceful_timeout must be less than KILL_AFTER.")
    try:
        call_command("check", databases=["default"], deploy=not settings.DEMO)
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None


def post_worker_init(worker: object) -> None:  # noqa: ARG001 -- gunicorn's hook
    """Each web process says that it is alive, and whether its clock is right."""
    from hyperclusters.clusters import heartbeat  # noqa: PLC0415 -- the applications are loaded by now

    heartbeat.beat_in_background()
