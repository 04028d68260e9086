"""The WSGI entry point for gunicorn: `gunicorn hyperclusters.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hyperclusters.settings")
application = get_wsgi_application()
