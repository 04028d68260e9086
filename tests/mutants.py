"""Seeded faults: `make mutants` changes one thing at a time in a copy of the code and counts what the tests catch.

    python -m tests.mutants [PACKAGE …] [--count 40] [--seed 1]

A package has its own tests (TESTS). Of all the changes that cosmic-ray knows, `count` are drawn for each package, at most
one a line. What nothing catches is printed with its diff. Exits with 1 if fewer than 95 of 100 are caught.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REACH = 0.95
TIMEOUT = 900  # seconds for the tests of one package, which a change may keep from ending
TESTS = {
    "modelarts": "tests/modelarts tests/simulator",
    "audit": "tests/audit tests/web/test_the_audit_pages.py tests/web/test_the_audit_is_searched.py tests/web/test_the_audit_is_exported.py",
    "access": "tests/access tests/web/test_access_is_changed_and_asked_for.py tests/web/test_the_access_table.py",
    "clusters": "tests/clusters tests/web/test_the_projects_pages.py tests/web/test_the_creations_pages.py tests/web/test_the_clusters_pages.py "
    "tests/faults/test_kill_points.py tests/faults/test_races.py tests/faults/test_kill_deletions.py",
}
# Changes that say something. The others of cosmic-ray change annotations, or are the same fault once more.
OPERATORS = (
    "core/AddNot",
    "core/ExceptionReplacer",
    "core/NumberReplacer",
    "core/RemoveDecorator",
    "core/ReplaceAndWithOr",
    "core/ReplaceBinaryOperator_Add_Sub",
    "core/ReplaceBinaryOperator_Mul_Div",
    "core/ReplaceBinaryOperator_Sub_Add",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceComparisonOperator_Eq_NotEq",
    "core/ReplaceComparisonOperator_GtE_Gt",
    "core/ReplaceComparisonOperator_Gt_GtE",
    "core/ReplaceComparisonOperator_IsNot_Is",
    "core/ReplaceComparisonOperator_Is_IsNot",
    "core/ReplaceComparisonOperator_LtE_Lt",
    "core/ReplaceComparisonOperator_Lt_LtE",
    "core/ReplaceComparisonOperator_NotEq_Eq",
    "core/ReplaceContinueWithBreak",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceOrWithAnd",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ZeroIterationForLoop",
)


def main() -> int:
    """Run it for the packages of the command line; all if none is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", nargs="*", default=list(TESTS), metavar="PACKAGE")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    caught = total = 0
    for package in options.packages:
        with tempfile.TemporaryDirectory(prefix="hyperclusters-mutants-") as folder:
            copy = Path(folder, "copy")
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
            outcomes = try_changes(package, copy, options.count, random.Random(options.seed))
        survivors = [diff for outcome, diff in outcomes if outcome == "SURVIVED"]
        caught, total = caught + len(outcomes) - len(survivors), total + len(outcomes)
        print(f"{package}: {len(outcomes) - len(survivors)} of {len(outcomes)} caught", flush=True)
        print("\n".join(survivors), flush=True)
    print(f"caught {caught} of {total}: {caught / max(total, 1):.0%}")
    return int(caught < REACH * total)


def try_changes(package: str, copy: Path, count: int, chance: random.Random) -> list[tuple[str, str]]:
    """The outcome and the diff of each change that was drawn."""
    program = shutil.which("cosmic-ray", path=str(Path(sys.executable).parent))
    if program is None:
        raise SystemExit(
            "cosmic-ray is not installed: pip install --require-hashes -r requirements-mutants.txt"
        )
    config, session = copy / "mutants.toml", copy / "mutants.sqlite"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = ["hyperclusters/{package}"]\ntimeout = {TIMEOUT}.0\n'
        f'excluded-modules = ["hyperclusters/{package}/migrations/*", "hyperclusters/{package}/management/*"]\n'
        f'test-command = "{sys.executable} -m pytest -q -x -n 2 --dist loadfile -p no:cacheprovider {TESTS[package]}"\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    subprocess.run([program, "init", config.name, session.name], cwd=copy, check=True)
    draw(session, count, chance)
    subprocess.run([program, "exec", config.name, session.name], cwd=copy, check=True)
    with closing(sqlite3.connect(session)) as connection:
        return connection.execute("SELECT upper(test_outcome), diff FROM work_results").fetchall()


def draw(session: Path, count: int, chance: random.Random) -> None:
    """Leave so many changes in the session, at most one a line."""
    with closing(sqlite3.connect(session)) as connection, connection:
        query = (
            "SELECT module_path, start_pos_row, job_id, operator_name FROM mutation_specs ORDER BY 1, 2, 3"
        )
        useful = [row for row in connection.execute(query) if row[3] in OPERATORS]
        chance.shuffle(useful)
        one_a_line = list({row[:2]: row[2] for row in useful}.values())
        chosen = set(chance.sample(sorted(one_a_line), min(count, len(one_a_line))))
        for (job,) in connection.execute("SELECT job_id FROM work_items").fetchall():
            if job not in chosen:
                connection.execute("DELETE FROM mutation_specs WHERE job_id = ?", [job])
                connection.execute("DELETE FROM work_items WHERE job_id = ?", [job])


if __name__ == "__main__":
    sys.exit(main())
