"""Reads environment variables. Each function raises ImproperlyConfigured, with the variable's name, for an unusable
value."""

from __future__ import annotations

import base64
import binascii
import csv
import errno
import ipaddress
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

SERVICE_HOSTS = {
    "feishu": ["open.feishu.cn", "open.larksuite.com"],
    "dingtalk": ["oapi.dingtalk.com"],
    "wecom": ["qyapi.weixin.qq.com"],
    "slack": ["hooks.slack.com"],
}

HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:]+", re.IGNORECASE)  # or all below one
SENDER = r"([^\r\n<>@]*<[^@\s<>]+@[^@\s<>]+>|[^@\s<>]+@[^@\s<>]+)\Z"  # an address, or a name and <address>
# Of each connection to PostgreSQL, before the `options` of its URL: no setting of a role, database or server changes them.
SESSION_OPTIONS = " ".join(
    f"-c {pair}"
    for pair in (
        # A process that hangs inside a transaction must not stop the others: nobody waits longer than this for a lock
        # (least of all for the chain's head), and the server ends a session that sits idle on one.
        "lock_timeout=15s",
        "idle_in_transaction_session_timeout=30s",
        "jit=off",  # loading the compiler, once per connection, costs an export's first byte 40 to 230 ms
        "synchronous_commit=on",  # an intent is on the disk before its call goes out
        # One schema behind PostgreSQL's own, so that no other tables or operators come in front, and temporary tables and
        # views last: unnamed they would come first.
        "search_path=public,pg_temp",
        "gin_fuzzy_search_limit=0",  # a search finds every event
        # What statements mean, and how values and definitions look when they are read.
        "default_transaction_isolation=read\\ committed",
        "default_transaction_read_only=off",
        "standard_conforming_strings=on",
        "transform_null_equals=off",
        "quote_all_identifiers=off",
        "bytea_output=hex",
        "DateStyle=ISO",
        "IntervalStyle=postgres",
        "extra_float_digits=1",
    )
)


def flag(name: str, default: bool) -> bool:
    """A switch: 1/0, true/false, yes/no, on/off. Anything else stops the start."""
    value = os.environ.get(name, "").strip().lower()
    if value in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return default if not value else value in {"1", "true", "yes", "on"}
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def number(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number within bounds. Anything else stops the start."""
    value = os.environ.get(name, "").strip() or str(default)
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def address(name: str, pattern: str, rule: str) -> str:
    """An address, or empty. `rule` tells what `pattern` demands of its beginning."""
    value = os.environ.get(name, "").strip()
    if value and not re.match(pattern, value):
        raise ImproperlyConfigured(f"{name} {rule}.")
    return value


def check(ok: object, rule: str) -> None:
    """Stop the start if a setting breaks its rule."""
    if not ok:
        raise ImproperlyConfigured(rule)


def fernet_keys(text: str) -> list[str]:
    """Keys separated by commas, newest first. One that is none stops the start."""
    keys = [key.strip() for key in text.split(",")]
    try:
        return [key for key in keys if Fernet(key)]
    except ValueError as error:
        raise ImproperlyConfigured(f"CREDENTIAL_KEYS holds a malformed key: {error}") from None


def secret(name: str) -> str:
    """A secret from the environment, or from the file that NAME_FILE names, without its last line break."""
    value, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: which one is meant?")
    try:
        return Path(path).read_text().rstrip("\r\n") if path else value
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {type(error).__name__}.") from None


def required_secret(name: str, defaults: dict[str, str], purpose: str) -> str:
    """A secret that has no default outside the demo, whose own are `defaults`."""
    value = secret(name) or defaults.get(name, "")
    check(bool(value), f"{name} is not set: {purpose}")
    return value


def writable(folder: Path) -> Path:
    """This folder, created if necessary. One that cannot be written stops the start."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ImproperlyConfigured(f"{folder} cannot be written: {error.strerror}. Set DATA_DIR.") from None
    return folder


def database(name: str, url: str) -> dict[str, Any]:
    """A database as Django expects it. The path of `sqlite:///PATH` is taken literally."""
    path = url.removeprefix("sqlite:///")
    if not url.startswith(("postgres://", "postgresql://", "sqlite:///")) or not path:
        raise ImproperlyConfigured(
            f"{name} must look like postgres://user:password@host/name or sqlite:///file; nothing else is tested."
        )
    if path != url:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
    try:
        config: dict[str, Any] = environ.Env.db_url_config(url)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} cannot be read: is its port a number, its password quoted?"
        ) from None
    return config | {"ENGINE": "django.db.backends.postgresql"}


def audited_database(name: str, url: str) -> dict[str, Any]:
    """The dashboard's own database, whose engine appends the events of each transaction to the audit before COMMIT."""
    config = database(name, url) | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    engine = config["ENGINE"].rpartition(".")[2]
    config["ENGINE"] = f"hyperclusters.audit.engines.{engine}"
    if engine == "sqlite3":
        writable(Path(config["NAME"]).absolute().parent)
        config["OPTIONS"] = {
            # Write transactions take the lock at once, so that two of them wait for each other and never fail half-way.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # FULL: a committed intent must survive a power cut, since the create call goes out right after it.
            # recursive_triggers: without it INSERT OR REPLACE gets past the audit's delete trigger.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON;",
        }
    else:
        options = config.setdefault("OPTIONS", {})
        # What comes last counts.
        options["options"] = f"{SESSION_OPTIONS} {options.get('options', '')}".strip()
    return config


def mail_server(url: str) -> dict[str, Any]:
    """EMAIL_URL as Django's EMAIL_* settings."""
    is_known = url.partition("://")[0] in environ.Env.EMAIL_SCHEMES
    check(is_known, "EMAIL_URL must look like smtp+tls://user:password@host:587 or dummymail://.")
    try:
        server = dict(environ.Env.email_url_config(url))
    except ValueError:
        raise ImproperlyConfigured(
            "EMAIL_URL cannot be read: is its port a number, its password quoted?"
        ) from None
    check(server["EMAIL_HOST"] or not url.startswith("smtp"), "EMAIL_URL names no host.")
    return server


def chain_keys(text: str) -> list[tuple[str, bytes]]:
    """The keys of the audit's chain with their IDs. Anything malformed stops the start; no key is shown."""
    keys = []
    for part in text.split(","):
        name, _, value = part.strip().partition(":")
        try:
            key = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not re.fullmatch(r"[a-z0-9-]{1,16}", name) or len(key) < 32:
            raise ImproperlyConfigured(
                "AUDIT_KEYS must be id:key, several separated by commas: the ID of 1 to 16 small letters, digits and "
                "hyphens, the key base64 of 32 bytes or more."
            )
        keys.append((name, key))
    if len({name for name, _ in keys}) < len(keys) or len({key for _, key in keys}) < len(keys):
        raise ImproperlyConfigured("AUDIT_KEYS names one ID or one key twice.")
    return keys


def _is_address(url: str) -> bool:
    """Whether the port exists and a host that ends in a number is an IP address: browsers take no other (WHATWG URL)."""
    try:
        host, port = urlsplit(url).hostname or "", urlsplit(url).port
        if host.rpartition(".")[2].isdigit() or ":" in host:
            ipaddress.ip_address(host)
    except ValueError:
        return False
    return port != 0


def site_url(text: str, hosts: list[str], scheme: str) -> str:
    """The address for links in mails. Without a host that a mail's reader can open, it stops the start."""
    url = (text or f"{scheme}://{hosts[0] if hosts else 'localhost'}").removesuffix("/")
    if re.fullmatch(
        r"https?://([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?",
        url,
        re.ASCII | re.IGNORECASE,
    ) and _is_address(url):
        return url
    if text:
        raise ImproperlyConfigured(
            f"SITE_URL must be https:// and a host, such as https://clusters.example.com, not {text!r}."
        )
    raise ImproperlyConfigured(
        f"SITE_URL is not set, and {hosts[0]!r}, the first of ALLOWED_HOSTS, is no host that a link in a mail could "
        "lead to: set SITE_URL, such as https://clusters.example.com."
    )


def group_roles(text: str) -> list[tuple[str, str, str]]:
    """The entries of OIDC_GROUP_ROLES, separated by commas; double-quoted text may have commas."""
    check(text.count('"') % 2 == 0, "OIDC_GROUP_ROLES has a double quote without its end.")
    try:
        rows = list(csv.reader([text], skipinitialspace=True))
    except csv.Error as error:
        raise ImproperlyConfigured(f"OIDC_GROUP_ROLES cannot be read: {error}.") from None
    return [group_role(entry) for row in rows for entry in row if entry.strip()]


def group_role(entry: str) -> tuple[str, str, str]:
    """`group=team:role` or `group=site role` as (group, team's slug or empty, role). Anything else stops the start."""
    group, _, role_name = (part.strip() for part in entry.rpartition("="))
    team, _, role = role_name.rpartition(":")
    roles = {"viewer", "creator", "admin"} if team else {"auditor", "platform_admin"}
    if not group or role not in roles:
        raise ImproperlyConfigured(
            f"OIDC_GROUP_ROLES holds {entry!r}: write group=team:viewer, :creator or :admin, "
            "or group=auditor, group=platform_admin."
        )
    return group, team, role


def check_oidc(
    issuer: str,
    client_id: str,
    client_secret: str,
    *,
    scopes: list[str],
    group_roles: list[tuple[str, str, str]],
) -> None:
    """Stop the start if the OIDC_ settings do not go together."""
    values = {"OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": client_id, "OIDC_CLIENT_SECRET": client_secret}
    if any(values.values()) and not all(values.values()):
        present, absent = (
            " and ".join(name for name in values if bool(values[name]) is there) for there in (True, False)
        )
        raise ImproperlyConfigured(f"{present} is set, and {absent} is not: set all three, or none.")
    if issuer and not re.match(r"https://[^/?#@\s]+|http://(localhost|127\.0\.0\.1)([:/]|$)", issuer):
        raise ImproperlyConfigured(
            "OIDC_ISSUER must be an https:// address; plain http only on this machine."
        )
    if len(issuer) > 500:
        raise ImproperlyConfigured("OIDC_ISSUER must have 500 characters or less.")
    if "openid" not in scopes:
        raise ImproperlyConfigured("OIDC_SCOPES must hold openid.")
    if group_roles and not issuer:
        raise ImproperlyConfigured("OIDC_GROUP_ROLES means nothing without OIDC_ISSUER.")


def message_hosts(text: str | None) -> dict[str, list[str]]:
    """MESSAGE_HOSTS, entries `service=host` separated by commas, as the hosts of each service. Not set: the vendors' hosts (`SERVICE_HOSTS`)."""
    if text is None:
        return SERVICE_HOSTS
    hosts: dict[str, list[str]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        service, _, host = (part.strip().lower() for part in entry.partition("="))
        if service not in SERVICE_HOSTS or not re.fullmatch(
            r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", host
        ):
            raise ImproperlyConfigured(
                f"MESSAGE_HOSTS holds {entry!r}: write feishu=host, dingtalk=host, wecom=host or slack=host."
            )
        hosts.setdefault(service, []).append(host)
    return hosts
