"""The people of the demo, and its secrets. The settings read both, so nothing here needs an app."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from django.utils.translation import gettext_lazy as _

from hyperclusters.accounts.token_format import generate_token
from hyperclusters.environment import writable

PEOPLE = {
    "ada": _("creates clusters in team Vision"),
    "tom": _("leads team Vision"),
    "vera": _("views clusters in team Vision"),
    "sam": _("leads team Speech"),
    "mallory": _("creates clusters in team Speech"),
    "olga": _("audits every team"),
    "root": _("runs the platform"),
    "nina": _("is new and in no team yet"),
}


def read_secrets(folder: Path) -> dict[str, str]:
    """The demo's keys, password and API token. The first call creates them in a file that only its owner can read."""
    path = folder / "secrets.json"
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "AUDIT_KEYS": "demo:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "DEMO_PASSWORD": secrets.token_urlsafe(9),
        "DEMO_TOKEN": generate_token(),
    }
    all_secrets: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if fresh.keys() - all_secrets.keys():  # the first start, or the first one that needs a new secret
        all_secrets = fresh | all_secrets
        new = writable(folder) / "secrets.new"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(all_secrets, file)
        new.replace(path)
    return all_secrets
