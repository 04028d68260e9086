#!/usr/bin/env python
"""Django's command line. `python manage.py help` lists the commands."""

import os
import select
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def run() -> None:
    """Run the command of the command line. It ends quietly if nobody reads what it prints any more (`| head`)."""
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _has_reader(sys.stdout.fileno()):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the exit
            sys.exit(1)
        raise  # another pipe: that is a fault


def _has_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return not poll.poll(0)


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
    run()
