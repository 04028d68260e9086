"""The product's own settings with made-up secrets; the database is whatever DATABASE_URL says (`make test` runs both)."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# In memory where there is such a folder: no test cuts the power, and each COMMIT waits for a disk.
_memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
_data = tempfile.mkdtemp(prefix="hyperclusters-test-", dir=os.environ.get("TESTS_FOLDER", _memory))
Path(_data, "static").mkdir()
os.environ.setdefault(
    "TESTS_FOLDER", _data
)  # of a run's first process, which removes all of them: workers do not


def _remove(process: int) -> None:
    if os.getpid() == process:  # not a fork of it
        shutil.rmtree(_data, ignore_errors=True)


atexit.register(_remove, os.getpid())
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("CREDENTIAL_KEYS", "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=")
os.environ.setdefault("AUDIT_KEYS", "tests:dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=")
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_data}/tests.sqlite3")
os.environ["DATA_DIR"] = _data
os.environ["HTTPS"] = "0"
os.environ.setdefault("SECOND_FACTOR", "0")  # tested where it matters; elsewhere Olga and Root just sign in
os.environ.setdefault("UPSTREAM_HOSTS", "127.0.0.1")
os.environ.setdefault("UPSTREAM_DEADLINE", "5")
os.environ.setdefault("UPSTREAM_LIST_MIB", "1")  # so that a list which is too large is quickly made

from hyperclusters.settings import *  # noqa: E402, F403 -- the environment above must be set first
from hyperclusters.settings import DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher"
]  # speed; Argon2 is tested where it matters
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: threads and processes must see one database, as in production.
    DATABASES["default"]["TEST"] = {"NAME": f"{_data}/test.sqlite3"}
