"""The company's provider whose answers tests bend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.accounts.bent_provider import CLIENT, BentProvider, bent


@pytest.fixture(scope="module")
def bent_process() -> Iterator[BentProvider]:
    with bent() as provider:
        yield provider


@pytest.fixture
def bendable(bent_process: BentProvider, settings: Any) -> BentProvider:
    """The provider, upright again, as this dashboard's settings name it."""
    app = {
        "provider_id": "company",
        "name": "Example ID",
        "client_id": CLIENT,
        "secret": "s",
        "settings": {"server_url": bent_process.issuer},
    }
    settings.OIDC_ISSUER, settings.OIDC_NAME, settings.OIDC_GROUP_ROLES = (
        bent_process.issuer,
        "Example ID",
        [],
    )
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
    bent_process.says()
    return bent_process
