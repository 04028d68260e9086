"""Exits with 0 if the address answers 200: a health check that needs no shell and no curl."""

import os
import sys
import urllib.request

# The dashboard answers to the names of ALLOWED_HOSTS alone; the first of them is as good as any.
host = os.environ.get("ALLOWED_HOSTS", "").partition(",")[0].strip() or "localhost"
request = urllib.request.Request(sys.argv[1], headers={"Host": host})  # noqa: S310 -- given by the image itself
try:
    with urllib.request.urlopen(request, timeout=4) as answer:  # noqa: S310
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
