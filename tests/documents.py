"""The pages of docs/ that are written from the code (`make docs`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from django.apps import apps

from hyperclusters import settings
from hyperclusters.audit.management.commands.database_roles import ALL, ANCHOR, APP, AUDITOR
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.security_statements import ASVS, STATEMENTS

ROOT = Path(__file__).resolve().parent.parent
CODE = ROOT / "hyperclusters"
WRITTEN = "`make docs` writes this page from {}; a test compares it.\n"


def modules() -> str:
    """docs/modules.md: every module with the first sentence of its docstring, package by package."""
    text = "# Modules\n\n" + WRITTEN.format("the first sentence of each module's docstring")
    paths = sorted(documented(), key=lambda path: (path.parent, path.name))
    for package, members in groupby(paths, key=lambda path: path.relative_to(CODE).parent):
        rows = [(f"`{path.name}`", first_sentence(docstring(path))) for path in members]
        name = "" if package == Path() else f"/{package}"
        text += f"\n## hyperclusters{name}\n\n{table(('module', 'what it does'), rows)}"
    return text


def variables() -> str:
    """docs/settings.md: the table of `hyperclusters/settings.py`."""
    text = "# Settings\n\n" + WRITTEN.format("the table in `hyperclusters/settings.py`") + "\n"
    introduction, _, rest = (settings.__doc__ or "").partition("\n\n")
    return f"{text}{introduction}\n\n{rest.strip()}\n"


def events() -> str:
    """docs/events.md: every action code that an audit event can have."""
    text = "# Audit events\n\n" + WRITTEN.format("`hyperclusters/audit/vocabulary.py`")
    text += "\nThe codes are stable: scripts and exports may rely on them. An outcome is one of "
    text += ", ".join(f"`{outcome.value}`" for outcome in Outcome) + ".\n"
    for area, members in groupby(EventType, key=lambda event: event.value.partition(":")[0]):
        rows = [(f"`{event.value}`", str(event.label), f"`{event.name}`") for event in members]
        text += f"\n## {area}\n\n{table(('code', 'meaning', 'in the code'), rows)}"
    return text


def rights() -> str:
    """docs/database-rights.md: what `manage.py database_roles` gives to each role."""
    text = "# Rights on PostgreSQL\n\n" + WRITTEN.format("`manage.py database_roles`")
    text += (
        "\nThe owner of the tables migrates and archives. Web and workers have a role with these rights:\n\n"
    )
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    ledger = sorted(name for name in tables - APP.keys() if name.startswith("audit_"))
    rows = [*APP.items(), (", ".join(ledger), ALL), ("every other table", ALL)]
    text += table(
        ("tables", "rights"),
        [(re.sub(r"\b[a-z]+_[a-z_]+\b", r"`\g<0>`", name), right) for name, right in rows],
    )
    return (
        f"{text}\n`{AUDITOR}` may read the tables `audit_…` and `django_migrations`, and nothing else. "
        f"`{ANCHOR}` may also record in `audit_anchorfile` that it wrote an anchor.\n"
    )


def security_tests() -> str:
    """docs/security-tests.md: each security statement with links to its tests. Raises KeyError for one that is missing."""
    homes = tests()
    links = {name: f"[{name.removeprefix('test_')}](../{path})" for name, path in homes.items()}
    text = "# Security statements and their tests\n\n" + WRITTEN.format("`tests/security_statements.py`")
    text += (
        "\nThe words of a test's name are the promise. [security.md](security.md) has the threat model.\n\n"
    )
    rows = [
        (each.text.replace("|", "\\|"), ", ".join(links[name] for name in each.tests)) for each in STATEMENTS
    ]
    text += table(("statement", "tests"), rows)
    text += (
        "\n## OWASP ASVS 5.0\n\nNumbers and levels are those of release 5.0.0; the words are ours. Listed is what applies "
        "at levels 1 and 2 (3 where marked) and has a test.\n\n"
    )
    covered = [(each.asvs, each.text, ", ".join(links[name] for name in each.tests)) for each in ASVS]
    return text + table(("ID", "in short", "tests"), covered)


PAGES: dict[str, Callable[[], str]] = {
    "modules.md": modules,
    "settings.md": variables,
    "events.md": events,
    "database-rights.md": rights,
    "security-tests.md": security_tests,
}


def write() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())


def documented() -> Iterable[Path]:
    """Every module that says something: not migrations, app configurations and empty files."""
    for path in CODE.rglob("*.py"):
        if "migrations" not in path.parts and path.name != "apps.py" and path.read_text().strip():
            yield path


def tests() -> dict[str, str]:
    """Every test function's file, relative to the root."""
    return {
        name: str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def docstring(path: Path) -> str:
    """The docstring of a module; empty if it has none."""
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def first_sentence(text: str) -> str:
    """The first sentence, on one line, with what a cell of a table cannot hold escaped."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", paragraph)[0].replace("|", "\\|")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
