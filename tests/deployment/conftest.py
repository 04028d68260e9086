"""Tests of several replicas need a database server: they are part of the run on PostgreSQL, and only of that."""

import os

collect_ignore = (
    []
    if os.environ.get("DATABASE_URL", "").startswith("postgres")
    else [
        "test_replicas.py",
        "test_postgresql_backups.py",
        "test_upgrade_steps.py",
        "test_what_a_start_refuses.py",
    ]
)
