"""What `manage.py check --deploy` says about an installation that is to serve people, beside Django's own word.

A web process runs these at its start (gunicorn.conf.py) and refuses to serve with an error among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import checks
from django.core.checks import CheckMessage, register
from django.urls import URLPattern, URLResolver, get_resolver

from hyperclusters.web.shared.static_files import minify

# Written in this repository for looking at the code and for its tests: keys that everybody knows.
KNOWN_KEYS = ("only-for-tests-", "only-to-look-at-the-code-", "django-insecure-")
KNOWN_CREDENTIAL_KEYS = ("dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",)
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
OUR_PREFIXES = ("AUDIT_", "CREDENTIAL_", "HSTS_", "OIDC_", "UPSTREAM_")


@register(deploy=True)
def serves_people(**_: Any) -> list[CheckMessage]:
    """Nothing of a demo, of tests or of debugging is left."""
    kinds = {"E": checks.Error, "W": checks.Warning}
    return [kinds[code[0]](text, id=f"hyperclusters.{code}") for is_so, code, text in _faults() if is_so]


def _faults() -> list[tuple[bool, str, str]]:
    return [
        (settings.DEMO, "E001", "DEMO is on: made-up people, and a sign-in page that offers them."),
        (settings.DEBUG, "E002", "DEBUG is on: errors show the code and its values to whoever asks."),
        (settings.SECRET_KEY.startswith(KNOWN_KEYS), "E003", "SECRET_KEY is one that everybody knows."),
        (
            any(key in KNOWN_CREDENTIAL_KEYS for key in settings.CREDENTIAL_KEYS),
            "E004",
            "CREDENTIAL_KEYS holds a key that everybody knows.",
        ),
        (
            any(host in THIS_MACHINE for host in settings.UPSTREAM_HOSTS),
            "W005",
            "UPSTREAM_HOSTS names this machine: that is where a simulator runs, not the cloud.",
        ),
        (
            any(_is_address(host) for host in settings.UPSTREAM_HOSTS),
            "W006",
            "UPSTREAM_HOSTS holds an IP address.",
        ),
        ("*" in settings.ALLOWED_HOSTS, "E007", "ALLOWED_HOSTS allows every host."),
        (not settings.HTTPS, "W008", "HTTPS is off: cookies and passwords could be read on the way."),
        (
            settings.HTTPS and not settings.TRUSTED_PROXIES,
            "E011",
            (
                "HTTPS is on and TRUSTED_PROXIES is 0: every request would be redirected to https for ever, since this "
                "process cannot see that a proxy speaks TLS. Set TRUSTED_PROXIES to the number of proxies in front."
            ),
        ),
        (
            not settings.SENDS_MAIL and not {"EMAIL_URL", "EMAIL_URL_FILE"} & os.environ.keys(),
            "W012",
            (
                "EMAIL_URL is not set: no mail goes out, neither links to set a password nor reminders. "
                "Set it to a mail server, or to dummymail:// if that is meant."
            ),
        ),
    ]


@register(deploy=True)
def static_files_are_collected(**_: Any) -> list[CheckMessage]:
    """STATIC_ROOT holds every static file as this code has it."""
    if not (stale := sorted(_stale_static_files())):
        return []
    return [
        checks.Error(
            f"STATIC_ROOT ({settings.STATIC_ROOT}) lacks {len(stale)} files of this release, or has old ones: "
            f"{', '.join(stale[:3])}{' …' if len(stale) > 3 else ''}.",
            hint="Run manage.py collectstatic with the same STATIC_ROOT.",
            id="hyperclusters.E013",
        )
    ]


def _stale_static_files() -> Iterator[str]:
    for finder in get_finders():
        for name, storage in finder.list([]):
            copy = Path(settings.STATIC_ROOT, name)
            source = minify(name, Path(storage.path(name)).read_bytes())
            if not copy.is_file() or copy.read_bytes() != source:
                yield name


@register()
def variables_are_spelt_right(**_: Any) -> list[CheckMessage]:
    """Names what looks like one of our settings and is none."""
    names = settings.VARIABLES | {f"{name}_FILE" for name in settings.VARIABLES}
    warnings: list[CheckMessage] = []
    for name in sorted(os.environ.keys() - names):
        likely = get_close_matches(name, names, n=1, cutoff=0.85)
        if likely or name.startswith(OUR_PREFIXES):
            hint = (
                f"Is {likely[0]} meant?" if likely else "The table in hyperclusters/settings.py has them all."
            )
            text = f"{name} is no setting of this dashboard."
            warnings.append(checks.Warning(text, hint=hint, id="hyperclusters.W014"))
    return warnings


@register(deploy=True)
def times_nest(**_: Any) -> list[CheckMessage]:
    """One call to the cloud ends before the worker's grace does, and that before the orchestrator's patience."""
    if settings.UPSTREAM_DEADLINE < settings.SHUTDOWN_GRACE < settings.KILL_AFTER:
        return []
    return [
        checks.Error(
            "UPSTREAM_DEADLINE < SHUTDOWN_GRACE < KILL_AFTER does not hold.", id="hyperclusters.E009"
        )
    ]


@register(deploy=True)
def headers_stand(**_: Any) -> list[CheckMessage]:
    """The middleware that gives every answer its headers is outermost."""
    outermost = "hyperclusters.web.shared.middleware.headers"
    if settings.MIDDLEWARE[:1] == [outermost]:
        return []
    return [checks.Error(f"MIDDLEWARE must begin with {outermost}.", id="hyperclusters.E010")]


@register()
def views_declare_access(**_: Any) -> list[CheckMessage]:
    """Every route's view says by `@access` what it needs; the middleware refuses one that does not."""
    return [
        checks.Error(f"The view of {name} has no @access.", id="hyperclusters.E015")
        for name, pattern in routes()
        if not hasattr(pattern.callback, "access")
    ]


def routes(resolver: URLResolver | None = None, namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route of the URLconf, by its name with its namespace."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from routes(entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace)
        else:
            yield f"{namespace}{entry.name or entry.pattern}", entry


def _is_address(host: str) -> bool:
    return host not in THIS_MACHINE and (":" in host or host.replace(".", "").isdigit())
