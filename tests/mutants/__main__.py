"""Seeded faults: `make mutants` changes one thing at a time in a copy of the code and counts what the tests catch.

    python -m tests.mutants [PACKAGE …] [--count 40] [--seed 1]

A package has its own tests (TESTS). They run once unchanged, under coverage: which test reaches which line, and how long
each takes; tests that fail then are left out. Of the changes that cosmic-ray knows, `count` are drawn, at most one a line.
Each is tried with the tests that reach its statement, the quickest first, until one fails twice. What an import runs, such
as a constant or a decorator, is tried with all tests. What nothing catches is printed with its diff. Exits with 1 if fewer
than 95 of 100 are caught. The copy is of the last commit; the database is SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Compares every field of a model with the migrations, so what an import runs is tried with it first.
FIRST = "tests/test_architecture.py::test_the_migrations_make_what_the_models_say"
TESTS = {
    "modelarts": "tests/modelarts",
    "audit": "tests/audit tests/web/test_unreadable_events.py tests/web/test_the_audit_pages.py tests/web/test_the_audit_is_searched.py tests/web/test_the_audit_is_exported.py",
    "access": "tests/access tests/web/test_access_is_changed_and_asked_for.py tests/web/test_alerts_on_a_page.py tests/web/test_the_access_table.py tests/web/test_the_audit_is_exported.py "
    "tests/web/test_the_archive_page.py tests/accounts/test_who_calls.py tests/notifications/test_chats_on_pages.py",
    "clusters": "tests/clusters tests/web/test_the_projects_pages.py tests/web/test_the_creations_pages.py tests/web/test_the_clusters_pages.py "
    "tests/web/test_the_metrics.py tests/faults/test_kill_points.py tests/faults/test_kill_around_calls.py tests/faults/test_races.py tests/faults/test_kill_deletions.py",
}


def main() -> int:
    """Run it for the packages of the command line; all if none is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", nargs="*", default=list(TESTS), metavar="PACKAGE")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    statuses = [try_package(package, options.count, options.seed) for package in options.packages]
    return int(any(statuses))


def try_package(package: str, count: int, seed: int) -> int:
    """The exit status of one package's pytest, which `plugin` turns into a trial."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder, "copy")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        options = {"package": package, "count": count, "seed": seed, "folder": folder, "first": FIRST}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-qq",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.mutants.plugin",
        ]
        environment = os.environ | {"MUTANTS": json.dumps(options), "TMPDIR": folder}
        return subprocess.run(
            [*command, *TESTS[package].split(), FIRST], check=False, cwd=copy, env=environment
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
