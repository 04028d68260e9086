#!/usr/bin/env python
"""Django's command line. `python manage.py help` lists the commands."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hyperclusters.settings")
    if sys.argv[1:2] == ["demo"]:
        os.environ.setdefault(
            "DEMO", "1"
        )  # the demo makes its own secrets; every other start must be given them
    try:
        settings.INSTALLED_APPS  # noqa: B018 -- reads the settings: what is wrong in them is one sentence, no traceback
    except ImproperlyConfigured as error:
        sys.exit(f"The dashboard does not start: {error}")
    execute_from_command_line(sys.argv)
