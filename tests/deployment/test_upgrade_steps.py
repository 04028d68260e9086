"""The steps under "Upgrade" in docs/operating.md, followed to the letter on PostgreSQL with its two roles."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

from tests.deployment.site import ROOT, Site, site

UPGRADE = (ROOT / "docs/operating.md").read_text().partition("## Upgrade\n")[2].partition("\n## ")[0]
COPIED = (
    "manage.py",
    "gunicorn.conf.py",
    "hyperclusters",
    "templates",
    "static",
    "locale",
    "deploy",
    "requirements.txt",
)


def test_the_handbook_s_upgrade_steps_lead_to_a_release_that_is_ready(tmp_path: Path) -> None:
    (steps,) = re.findall(r"^```\n(.*?)^```$", UPGRADE, re.MULTILINE | re.DOTALL)
    code, secrets, release = (tmp_path / name for name in ("code", "secrets", "release"))
    code.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, code / name)
    with site(os.environ["DATABASE_URL"], tmp_path) as installed:
        installed.manage("migrate", "--verbosity", "0")
        installed.manage("migrate", "clusters", "0004", "--verbosity", "0")  # the release before
        environment = service_environment(installed, secrets)
        steps = steps.replace("/etc/hyperclusters", str(secrets)).replace(
            "/opt/hyperclusters/next", str(release)
        )
        done = subprocess.run(
            ["sh", "-eu", "-c", steps], cwd=code, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert "WARNINGS" not in done.stderr, done.stderr
        installed.environment = environment | {"STATIC_ROOT": str(release / "static")}
        address = installed.web("web")
        installed.wait_for(address)
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
            assert answer.status == 200


def service_environment(installed: Site, secrets: Path) -> dict[str, str]:
    """What web and workers run with, each secret in a file: the dashboard's own role, and the owner's database beside it."""
    secrets.mkdir()
    owner = installed.environment.pop("DATABASE_URL")
    role = f"app_{installed.url.rpartition('_')[2]}"
    values = {
        "owner_database_url": owner,
        "database_url": owner.replace("//tests@", f"//{role}:secret@"),
        **{
            name.lower(): installed.environment.pop(name)
            for name in ("SECRET_KEY", "CREDENTIAL_KEYS", "AUDIT_KEYS")
        },
    }
    for name, value in values.items():
        (secrets / name).write_text(value)
    files = {f"{name.upper()}_FILE": str(secrets / name) for name in values if name != "owner_database_url"}
    https = {
        "HTTPS": "1",
        "TRUSTED_PROXIES": "1",
        "EMAIL_URL": "dummymail://",
        "UPSTREAM_HOSTS": "*.example.com",
    }
    hosts = {"ALLOWED_HOSTS": "127.0.0.1"}
    return installed.environment | files | https | hosts
