"""A knob that is missing or malformed stops the start and is named; no secret is printed."""

from __future__ import annotations

import json
import os
import re
import runpy
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "hyperclusters" / "settings.py"
DEMO_SECRETS = {"SECRET_KEY", "CREDENTIAL_KEYS", "AUDIT_KEYS", "DEMO_PASSWORD", "DEMO_TOKEN"}
KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
CANARY = "canary-" + "s3cr3t" * 10
ENOUGH = {"SECRET_KEY": CANARY, "CREDENTIAL_KEYS": KEY, "AUDIT_KEYS": f"a:{KEY}"}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this run's own settings is seen."""
    monkeypatch.chdir(tmp_path)
    documented = re.findall(r"^\| ([A-Z_]+) \|", SETTINGS.read_text(), flags=re.MULTILINE)
    for name in documented:
        monkeypatch.delenv(name, raising=False)


def start(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """Read the settings anew, as a start does."""
    for name, value in (ENOUGH | environment).items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "x" * 49),
        ("CREDENTIAL_KEYS", ""),
        ("CREDENTIAL_KEYS", "not-a-key"),
        ("CREDENTIAL_KEYS", KEY[:-1]),
        ("CREDENTIAL_KEYS", f"{KEY},"),
        ("CREDENTIAL_KEYS", f"{KEY},zu kurz"),
        ("CREDENTIAL_KEYS", "ключ"),
        ("AUDIT_KEYS", ""),
        ("AUDIT_KEYS", KEY),
        ("AUDIT_KEYS", f"a:{KEY[:-4]}"),
        ("AUDIT_KEYS", f"a:{KEY},"),
        ("AUDIT_KEYS", f"a:{KEY},b:{KEY}"),
        ("AUDIT_KEYS", f"a:{KEY},a:{'A' * 44}"),
        ("AUDIT_KEYS", f"A:{KEY}"),
        ("AUDIT_KEYS", f"a b:{KEY}"),
        ("AUDIT_KEYS", "a:ключ"),
        ("DATABASE_URL", "garbage"),
        ("DATABASE_URL", "postgre://user:password@host/name"),
        ("DATABASE_URL", "mysql://user:password@host/name"),
        ("DATABASE_URL", "postgres://user:password@host:port/name"),
        ("DATABASE_URL", "oracle://user:password@host/name"),
        ("HTTPS", "maybe"),
        ("DEBUG", "2"),
        ("DEMO", "ja"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "11"),
        ("UPSTREAM_DEADLINE", "0"),
        ("UPSTREAM_DEADLINE", "601"),
        ("UPSTREAM_DEADLINE", "30s"),
        ("UPSTREAM_DEADLINE", "٣٠"),
        ("UPSTREAM_CONNECT_TIMEOUT", "0.5"),
        ("UPSTREAM_PROCESSING_BOUND", "1e3"),
        ("UPSTREAM_SKEW_MARGIN", "9999"),
        ("SYNC_INTERVAL", "1"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "nan"),
        ("LOG_LEVEL", "loud"),
        ("SESSION_IDLE", "59"),
        ("SESSION_IDLE", "50000"),  # longer than SESSION_LIMIT
        ("SESSION_LIMIT", "forever"),
        ("SECOND_FACTOR", "sometimes"),
        ("OIDC_CLIENT_SECRET", "alone"),
        ("OIDC_ISSUER", "https://id.example.com"),  # alone
        ("OIDC_GROUP_ROLES", "ml=vision:creator"),  # without a provider
        ("OIDC_GROUP_ROLES", "ml"),
        ("OIDC_GROUP_ROLES", "ml=vision:boss"),
        ("OIDC_GROUP_ROLES", "ml=vision:auditor"),
        ("OIDC_GROUP_ROLES", "ml=creator"),
        ("OIDC_GROUP_ROLES", "=auditor"),
        ("OIDC_GROUP_ROLES", '"ml=auditor'),
        ("WEB_PROCESSES", "two"),
        ("WEB_THREADS", "0"),
        ("HSTS_SECONDS", "-1"),
        ("HSTS_PRELOAD", "1"),  # without HSTS_SUBDOMAINS
        ("OIDC_MAX_AGE", "0"),
        ("OIDC_MAX_AGE", "1d"),
        ("OIDC_GROUP_ROLES", "CN=ML,OU=Groups=vision:creator"),  # a comma without quotes
        ("SITE_URL", "clusters.example.com"),
        ("SITE_URL", "https://*"),
        ("SITE_URL", "https://.example.com"),
        ("SITE_URL", "https://"),
        ("SITE_URL", "https:///path"),
        ("SITE_URL", "https://example.com/path"),
        ("SITE_URL", "https://example.com?x"),
        ("SITE_URL", "https://example.com#x"),
        ("SITE_URL", "https://user@example.com"),
        ("SITE_URL", "https://user:word@example.com"),
        ("SITE_URL", "https://exa mple.com"),
        ("SITE_URL", "https://example..com"),
        ("SITE_URL", "https://0"),
        ("SITE_URL", "https://1.2.3"),
        ("SITE_URL", "https://256.1.1.1"),
        ("SITE_URL", "https://example.com:99999"),
        ("SITE_URL", "https://example.com:0"),
        ("SITE_URL", "https://[1::2::3]"),
        ("SITE_URL", "https://-example.com"),
        ("SITE_URL", "https://example.com:port"),
        ("SITE_URL", "https://exаmple.com"),
        ("SITE_URL", "ftp://example.com"),
        ("SITE_URL", "javascript:alert(1)"),
        ("EMAIL_URL", "mail.example.com"),
        ("EMAIL_URL", "smtp://"),
        ("EMAIL_URL", "smtp+tls://:587"),
        ("EMAIL_FROM", "nobody"),
        ("EMAIL_FROM", "nobody@example.com\nBcc: all@example.com"),
        ("EMAIL_FROM", "Nobody <nobody@example.com"),
        ("METRICS_TOKEN", "é" * 20),
        ("METRICS_TOKEN", "a token with its spaces"),
        ("UPSTREAM_HOSTS", "one two"),
        ("UPSTREAM_HOSTS", "*."),
        ("UPSTREAM_HOSTS", "https://iam.example.com"),
        ("EMAIL_URL", "smtp://mail.example.com:port"),
    ],
)
def test_a_malformed_or_missing_value_stops_the_start_and_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImproperlyConfigured, match=name) as stop:
        start(monkeypatch, **{name: value})
    if name in {"SECRET_KEY", "CREDENTIAL_KEYS", "AUDIT_KEYS", "DATABASE_URL"}:
        text = f"{stop.value} {stop.value.__cause__ or ''}"
        assert not value or value not in text
        assert "user:password@host" not in text or "user:password@host/name or sqlite" in text


@pytest.mark.parametrize("hosts", ["*", ".example.com", "*,clusters.example.com", ".", "exa_mple.com/x"])
def test_g46_without_site_url_a_wildcard_for_a_host_stops_the_start(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImproperlyConfigured, match="SITE_URL is not set"):
        start(monkeypatch, ALLOWED_HOSTS=hosts)
    assert (
        start(monkeypatch, ALLOWED_HOSTS=hosts, SITE_URL="https://a.example")["SITE_URL"]
        == "https://a.example"
    )


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "https://localhost"),
        ({"ALLOWED_HOSTS": "clusters.example.com,.example.com"}, "https://clusters.example.com"),
        ({"HTTPS": "0", "ALLOWED_HOSTS": "[::1]"}, "http://[::1]"),
        ({"SITE_URL": "https://clusters.example.com:8443/"}, "https://clusters.example.com:8443"),
        ({"SITE_URL": "http://10.0.0.1"}, "http://10.0.0.1"),
    ],
)
def test_g46_site_url_is_a_scheme_and_a_host(
    environment: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start(monkeypatch, **environment)["SITE_URL"] == url


def test_g44_a_group_with_a_comma_stands_in_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'ml=vision:viewer, "CN=ML,OU=Groups"=vision:creator,"CN=A ""B"", OU=C=auditor",'
    assert start(monkeypatch, **OIDC, OIDC_GROUP_ROLES=text)["OIDC_GROUP_ROLES"] == [
        ("ml", "vision", "viewer"),
        ("CN=ML,OU=Groups", "vision", "creator"),
        ('CN=A "B", OU=C', "", "auditor"),
    ]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", {}),
        ("slack=Hooks.Slack.com", {"slack": ["hooks.slack.com"]}),
        ("feishu=a.example, feishu=b.example:8443,", {"feishu": ["a.example", "b.example:8443"]}),
    ],
)
def test_the_hosts_of_messages_can_be_others_or_none(
    text: str, hosts: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start(monkeypatch, MESSAGE_HOSTS=text)["MESSAGE_HOSTS"] == hosts


@pytest.mark.parametrize(
    "text", ["hooks.slack.com", "mail=x.example", "slack=https://x", "slack=*.slack.com", "slack="]
)
def test_a_host_of_messages_that_is_none_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="MESSAGE_HOSTS holds"):
        start(monkeypatch, MESSAGE_HOSTS=text)


@pytest.mark.parametrize("name", ["SECRET_KEY", "CREDENTIAL_KEYS", "AUDIT_KEYS"])
def test_a_secret_that_is_not_set_at_all_stops_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ENOUGH.keys() - {name}:
        monkeypatch.setenv(other, ENOUGH[other])
    with pytest.raises(ImproperlyConfigured, match=f"{name} is not set"):
        runpy.run_path(str(SETTINGS))


def test_the_secrets_are_enough_and_the_rest_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    read = start(monkeypatch)
    assert read["DEBUG"] is False
    assert read["DEMO"] is False
    assert read["HTTPS"] is True
    assert read["SESSION_COOKIE_SECURE"] is read["CSRF_COOKIE_SECURE"] is read["SECURE_SSL_REDIRECT"] is True
    cookies = {name for name in read if name.endswith("_COOKIE_NAME")}
    assert cookies == {
        f"{each}_COOKIE_NAME"
        for each in ("SESSION", "CSRF", "LANGUAGE", "DEVICE", "THEME", "MESSAGES", "DRAFT")
    }
    assert all(read[name].startswith("__Host-") for name in cookies)
    assert read["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert "hyperclusters.demo" not in read["INSTALLED_APPS"]
    assert read["DEMO_PASSWORD"] == ""
    assert read["UPSTREAM_HOSTS"] == ["*.myhuaweicloud.com", "*.myhuaweicloud.cn"]
    assert read["MESSAGE_HOSTS"]["slack"] == ["hooks.slack.com"]
    assert "SECURE_PROXY_SSL_HEADER" not in read  # a header that anybody can send is not believed


OIDC = {"OIDC_ISSUER": "https://id.example.com/", "OIDC_CLIENT_ID": "us", "OIDC_CLIENT_SECRET": CANARY}


def test_the_company_s_sign_in_is_set_up_by_three_values(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(monkeypatch)["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"] == []
    read = start(monkeypatch, **OIDC, OIDC_GROUP_ROLES="ml = vision:creator, audit=auditor")
    (app,) = read["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]["APPS"]
    assert (app["client_id"], app["settings"]["server_url"]) == ("us", "https://id.example.com")
    assert read["OIDC_GROUP_ROLES"] == [("ml", "vision", "creator"), ("audit", "", "auditor")]


@pytest.mark.parametrize(
    "issuer",
    ["http://id.example.com", "id.example.com", "ftp://x", "https://", "http://127.0.0.1.evil.example/"],
)
def test_a_provider_is_reached_by_https_only(issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="OIDC_ISSUER") as stop:
        start(monkeypatch, **OIDC | {"OIDC_ISSUER": issuer})
    assert CANARY not in str(stop.value)


def test_sqlite_keeps_what_was_committed_and_heeds_triggers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = start(monkeypatch, DATA_DIR=str(tmp_path / "kept"))["DATABASES"]["default"]
    assert database["NAME"] == str(tmp_path / "kept" / "hyperclusters.sqlite3")
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "recursive_triggers=ON"):
        assert pragma in database["OPTIONS"]["init_command"]
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_a_postgresql_address_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgres://someone:p%40ss@db.example:6432/clusters"
    database = start(monkeypatch, DATABASE_URL=address)["DATABASES"]["default"]
    assert database["ENGINE"] == "hyperclusters.audit.engines.postgresql"
    expected = ("db.example", 6432, "clusters", "someone", "p@ss")
    assert tuple(database[part] for part in ("HOST", "PORT", "NAME", "USER", "PASSWORD")) == expected


def test_the_demo_makes_its_secrets_once_and_keeps_them_to_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEMO", "1")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "demo"))
    first, second = (runpy.run_path(str(SETTINGS)) for _ in range(2))
    kept = tmp_path / "demo" / "secrets.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    made = json.loads(kept.read_text())
    assert set(made) == DEMO_SECRETS
    for name in DEMO_SECRETS:
        assert first[name] == second[name]
    assert len(made["SECRET_KEY"]) >= 50
    out, err = capfd.readouterr()
    assert not any(secret in out + err for secret in made.values())


def test_two_demos_have_nothing_secret_in_common(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEMO", "1")
    made = []
    for folder in ("one", "two"):
        monkeypatch.setenv("DATA_DIR", str(tmp_path / folder))
        made.append(runpy.run_path(str(SETTINGS)))
    for name in DEMO_SECRETS:
        assert made[0][name] != made[1][name]


def test_the_demo_s_secrets_are_of_no_use_outside_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DEMO", "1")
    runpy.run_path(str(SETTINGS))
    monkeypatch.delenv("DEMO")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is not set"):
        runpy.run_path(str(SETTINGS))


SECRETS = {
    "SECRET_KEY": CANARY,
    "CREDENTIAL_KEYS": KEY,
    "AUDIT_KEYS": f"a:{KEY}",
    "AUDIT_WEBHOOK_KEY": CANARY,
    "DATABASE_URL": "postgres://someone:word@db.example/clusters",
    "APP_DATABASE_URL": "postgres://other:word@db.example/clusters",
    "SOURCE_DATABASE_URL": "postgres://source:word@localhost/source",
    "EMAIL_URL": "smtp://someone:word@mail.example.com:587",
    "METRICS_TOKEN": CANARY,
    "OIDC_CLIENT_SECRET": CANARY,
}


def test_every_secret_is_read_from_a_file_as_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = re.search(
        r"^Secrets can be in a file .*?: ([A-Z_, \n]+)\.$",
        SETTINGS.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert listed
    assert set(re.findall(r"[A-Z_]{3,}", listed[1])) == set(SECRETS)
    others = {
        "OIDC_ISSUER": "https://id.example.com",
        "OIDC_CLIENT_ID": "us",
        "AUDIT_WEBHOOK": "https://a.example",
    }
    typed = start(monkeypatch, **SECRETS | others)
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.delenv(name)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    filed = runpy.run_path(str(SETTINGS))
    read = (
        "SECRET_KEY",
        "CREDENTIAL_KEYS",
        "AUDIT_KEYS",
        "AUDIT_WEBHOOK_KEY",
        "DATABASES",
        "APP_DATABASE_URL",
        "SOURCE_DATABASE",
    )
    for name in (*read, "EMAIL_HOST_PASSWORD", "METRICS_TOKEN", "OIDC_CLIENT_SECRET"):
        assert filed[name] == typed[name] != "", name
    monkeypatch.setenv("OIDC_CLIENT_SECRET", CANARY)
    with pytest.raises(ImproperlyConfigured, match="OIDC_CLIENT_SECRET and OIDC_CLIENT_SECRET_FILE"):
        runpy.run_path(str(SETTINGS))


def test_every_variable_that_is_read_is_documented() -> None:
    text = SETTINGS.read_text()
    documented = set(re.findall(r"^\| ([A-Z_]+) \|", text, flags=re.MULTILINE))
    calls = r"(?:flag|number|words|required|secret|get|getenv)\(\s*\"([A-Z_]+)\""
    assert set(re.findall(calls, text.partition("import json")[2])) <= documented


def test_a_start_that_fails_says_why_in_a_sentence_and_tells_no_secret(tmp_path: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= ENOUGH | {"HTTPS": "maybe", "DATABASE_URL": "sqlite:///x", "DATA_DIR": str(tmp_path)}
    environment |= {"DJANGO_SETTINGS_MODULE": "hyperclusters.settings"}
    started = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode != 0
    assert "HTTPS must be 1 or 0, not 'maybe'." in started.stderr
    assert CANARY not in started.stdout + started.stderr
    assert KEY not in started.stdout + started.stderr


@pytest.mark.parametrize(
    "folder", ["my clone #1", "a?b", "x%20y", "a+b", "100%", "集群", 'it\'s "here"', "a;b&c=d"]
)
def test_any_folder_holds_the_database(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for read in (
        start(monkeypatch, DATA_DIR=str(tmp_path / folder)),
        start(monkeypatch, DATABASE_URL=f"sqlite:///{tmp_path / folder / 'own.sqlite3'}"),
    ):
        file = Path(read["DATABASES"]["default"]["NAME"])
        assert file.parent == tmp_path / folder
        assert file.parent.is_dir()


def test_the_database_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    environment = ENOUGH | {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "audit", "0001", "--verbosity", "0"]
    subprocess.run(command, env=environment, check=True, umask=0o022)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert "hyperclusters.sqlite3" in modes
    assert set(modes.values()) == {0o600}, modes


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "file" / "data")}
    command = [sys.executable, str(ROOT / "manage.py"), "demo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("The dashboard does not start: ")
    assert "cannot be written: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_variable_that_is_read_is_in_the_table() -> None:
    variables = runpy_variables()
    read = set(re.findall(r"environ(?:\.get)?[\[(]\"([A-Z_]+)\"", SETTINGS.read_text()))
    read |= set(
        re.findall(r"\b(?:flag|number|words|secret|required)\(\s*\"([A-Z_]+)\"", SETTINGS.read_text())
    )
    assert read - variables == set()


def runpy_variables() -> set[str]:
    """The names of the table on top of the settings."""
    rows = re.findall(r"^\| ([A-Z_, ]+) \|", SETTINGS.read_text(), flags=re.MULTILINE)
    return {name for row in rows for name in row.split(", ")}


def test_hsts_binds_this_host_alone_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    read = start(monkeypatch)
    assert read["SECURE_HSTS_SECONDS"] == 63_072_000
    assert not read["SECURE_HSTS_INCLUDE_SUBDOMAINS"]
    assert not read["SECURE_HSTS_PRELOAD"]
    read = start(monkeypatch, HSTS_SECONDS="31536000", HSTS_SUBDOMAINS="1", HSTS_PRELOAD="1")
    assert read["SECURE_HSTS_SECONDS"] == 31_536_000
    assert read["SECURE_HSTS_INCLUDE_SUBDOMAINS"]
    assert read["SECURE_HSTS_PRELOAD"]
