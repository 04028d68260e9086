"""The product's own settings, with more addresses: see `bench.urls`. Django's admin is there to be compared with."""

from hyperclusters.settings import *  # noqa: F403 -- that is what this file is for
from hyperclusters.settings import INSTALLED_APPS, TEMPLATES

ROOT_URLCONF = "bench.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin.apps.SimpleAdminConfig"]
TEMPLATES[0]["OPTIONS"]["context_processors"] += ["django.contrib.auth.context_processors.auth"]  # type: ignore[index]
SILENCED_SYSTEM_CHECKS = ["admin.E404", "admin.E406", "admin.E410"]
