"""A pytest that imports, collects and migrates once, and forks for each change (started by `python -m tests.mutants`).

The fork gives the functions that differ their changed code. What an import runs (constants, decorators) needs a pytest of
its own, with every test.
"""

from __future__ import annotations

import difflib
import gc
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType
from typing import cast

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage, CoverageException
from django.db import connection, connections

from tests.mutants.changes import Change, draw, spans

REACH = 0.95
ROWS = 5  # of a test with parameters are measured; the others are taken to last as long, and run after them
TOOL_FAILED = 70
COVERAGE = """[run]
source = {source}
data_file = {folder}/.coverage
parallel = true
context = ${{PYTEST_CURRENT_TEST-}}
patch = _exit, fork
sigterm = true
disable_warnings = no-data-collected, module-not-imported, module-not-measured
"""


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Measure, draw, try each change, and fail the session if too few are caught."""
    options, start = json.loads(os.environ.pop("MUTANTS")), time.monotonic()
    folder, source = Path(options["folder"]), Path("hyperclusters", options["package"]).resolve()
    trial = Trial(session, folder, options["first"])
    trial.fork(lambda: measure(session, folder, source))
    trial.seconds = json.loads((folder / "seconds.json").read_text())
    coverage = Coverage(config_file=str(folder / "coverage.ini"))
    for path in folder.glob(".coverage.*"):
        try:
            coverage.combine([str(path)])
        except CoverageException as error:  # a process that a test kills can leave a damaged file
            print(f"{path.name} is not read: {error}", flush=True)
    print(
        f"{source.name}: {len(trial.seconds)} tests, measured in {time.monotonic() - start:.0f} s", flush=True
    )
    changes = draw(source, options["count"], random.Random(options["seed"]))
    contexts = coverage.get_data().contexts_by_lineno
    diffs = [trial.run(change, contexts(str(change.path))) for change in changes]
    survivors = [diff for diff in diffs if diff]
    share = 1 - len(survivors) / len(diffs)
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    print("\n".join(survivors))
    print(f"{source.name}: {len(diffs) - len(survivors)} of {len(diffs)} caught ({share:.0%})", end=", ")
    print(f"{time.monotonic() - start:.0f} s, {cpu:.0f} s of CPU", flush=True)
    session.testsfailed = int(share < REACH)
    return True


def measure(session: pytest.Session, folder: Path, source: Path) -> None:
    """Run the tests unchanged, and write how long each that passes takes and which of them reach which line."""
    config, seconds = folder / "coverage.ini", {}
    config.write_text(COVERAGE.format(source=source, folder=folder))
    os.environ["COVERAGE_PROCESS_START"] = str(config)  # for the processes that tests start
    coverage = Coverage(config_file=str(config))
    coverage.start()
    items = sample(session.items)
    for item, following in zip(items, [*items[1:], session], strict=True):
        coverage.switch_context(f"{item.nodeid} (call)")  # as PYTEST_CURRENT_TEST
        start = time.monotonic()
        if passes(item, following):
            seconds[item.nodeid] = time.monotonic() - start
        else:
            print(f"left out, fails unchanged: {item.nodeid}", flush=True)
    coverage.stop()
    coverage.save()
    longest: dict[str, float] = {}
    for test, took in seconds.items():
        longest[function(test)] = max(took, longest.get(function(test), 0))
    for item in set(session.items) - set(items):
        if function(item.nodeid) in longest:
            seconds[item.nodeid] = longest[function(item.nodeid)]
    (folder / "seconds.json").write_text(json.dumps(seconds))


def sample(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests, and of those with parameters a few rows."""
    rows: dict[str, list[pytest.Item]] = {}
    for item in items:
        rows.setdefault(function(item.nodeid), []).append(item)
    return [item for each in rows.values() for item in each[:: -(-len(each) // ROWS)]]


def function(test: str) -> str:
    """The test's name without its parameters."""
    return test.partition("[")[0]


def passes(item: pytest.Item, following: object) -> bool:
    """Run one test; fixtures that the following test, or the session, does not need are torn down."""
    reports = runtestprotocol(item, log=False, nextitem=cast("pytest.Item", following))
    return not any(report.failed for report in reports)


class Trial:
    """Tries changes, each in a process that starts with what this one has imported, collected and migrated."""

    def __init__(self, session: pytest.Session, folder: Path, first: str) -> None:
        self.items = {item.nodeid: item for item in session.items}
        self.session, self.folder, self.first = session, folder, first
        self.seconds: dict[str, float] = {}
        for item in session.items:
            if "django_db_setup" in getattr(item, "fixturenames", ()):
                passes(item, session)
                break
        connections.close_all()
        self.data = Path(connection.settings_dict["NAME"]).parent
        shutil.copytree(self.data, folder / "data")

    def fork(self, work: Callable[[], object], alarm: float = 0) -> int:
        """Do this in a process group that ends with it: its exit status, 1 if it returns something true."""
        shutil.rmtree(self.data)
        shutil.copytree(self.folder / "data", self.data)
        if not (process := os.fork()):
            status = TOOL_FAILED
            try:
                os.setsid()
                signal.alarm(int(alarm))
                status = int(bool(work()))
            finally:
                os._exit(status)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)

    def run(self, change: Change, contexts: dict[int, list[str]]) -> str:
        """The diff of a change that no test catches; empty if one does."""
        source, start = change.path.read_text(), time.monotonic()
        changed, lines = change.apply(source), spans(change, source)
        tests = self.plan(lines, contexts)
        (self.folder / "outcome").write_text("")
        change.path.write_text(changed)
        if lines:
            status = self.fork(lambda: self._run_here(change.path, changed, tests))
        elif not (status := self._run_anew([self.first])):
            status = self._run_anew(tests)
            failing = next((test for test in tests if f" {test}" in self.outcome()), None)
            if failing:  # by chance, if not again
                status = self._run_anew(tests[tests.index(failing) :])
        change.path.write_text(source)
        place = f"{change.path.relative_to(Path.cwd())}:{change.line}"
        if status == TOOL_FAILED:
            raise RuntimeError(f"{place} {change.operator} could not be tried")
        outcome = self.outcome() or (
            f"ENDED with {status}" if status else f"NOT CAUGHT by {len(tests)} tests"
        )
        print(f"{time.monotonic() - start:4.0f} s {place} {change.operator}: {outcome}", flush=True)
        diff = difflib.unified_diff(source.splitlines(), changed.splitlines(), place, place, lineterm="", n=2)
        return "" if status else "\n".join(diff)

    def plan(self, lines: tuple[range, range] | None, contexts: dict[int, list[str]]) -> list[str]:
        """The tests that reach the statement, the quickest first, then the others that reach its function, with the rows that
        were not measured. For what an import runs: the tests that reach the file, then all others."""
        here, around = (
            {test.rpartition(" (")[0] for line in span for test in contexts.get(line, ())}
            for span in lines or (contexts, contexts)
        )
        functions = {function(test) for test in around}
        tests = [test for test in self.seconds if not lines or function(test) in functions]
        return sorted(tests, key=lambda test: (test not in here, self.seconds[test]))

    def _run_here(self, path: Path, changed: str, tests: list[str]) -> bool:
        swap(path, changed)
        items = [self.items[test] for test in tests]
        for item, following in zip(items, [*items[1:], self.session], strict=False):
            signal.alarm(20 + int(10 * self.seconds[item.nodeid]))
            if not passes(item, following) and not passes(item, following):  # the second time: not by chance
                (self.folder / "outcome").write_text(f"FAILED {item.nodeid}")
                return True
        return False

    def _run_anew(self, tests: list[str]) -> int:
        # No bytecode: a file that changes twice within a second would be taken for the same.
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        (self.folder / "tests").write_text("\n".join(tests))
        (self.folder / "outcome").write_text("")

        def become_pytest() -> None:
            os.dup2(os.open(self.folder / "outcome", os.O_WRONLY), 1)
            os.execv(sys.executable, [*command, f"@{self.folder / 'tests'}"])

        return self.fork(become_pytest, 300 + 10 * sum(self.seconds[test] for test in tests))

    def outcome(self) -> str:
        """The line that names the test that failed, if one did."""
        match = re.search(r"^(FAILED|ERROR) .*", (self.folder / "outcome").read_text(), re.MULTILINE)
        return match[0] if match else ""


def swap(path: Path, changed: str) -> None:
    """Give the functions of this file their code in the changed text, whose lines have the same numbers."""
    codes: dict[tuple[str, int], CodeType] = {}
    waiting = [compile(changed, str(path), "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        codes[code.co_qualname, code.co_firstlineno] = code
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename == str(path):
            code = codes[function.__code__.co_qualname, function.__code__.co_firstlineno]
            if code != function.__code__:
                function.__code__ = code
