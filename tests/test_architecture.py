"""The house stays as docs/architecture.md draws it: read from the imports, the templates and the routes themselves."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse

from hyperclusters import modelarts
from hyperclusters.modelarts import grammar
from hyperclusters.web.checks import routes

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "hyperclusters"
TEMPLATES = sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "templates").rglob("*.jinja")])
MODULES = sorted(HOUSE.rglob("*.py"))

# Who may import from whom. `web` may take types, grammar and the request builders from `modelarts`, which are pure
# (a form must say what the vendor allows, a preview must show the very bytes); never anything that calls the cloud.
MAY_IMPORT: dict[str, set[str]] = {
    "web": {
        "clusters",
        "notifications",
        "accounts",
        "access",
        "audit",
        "modelarts",
        "logs",
        "statements",
        "tracing",
    },
    "api": {
        "web",
        "clusters",
        "accounts",
        "access",
        "audit",
    },  # of `web`: @access, errors, filters, sentences
    "accounts": {"access", "audit"},
    "clusters": {"notifications", "access", "audit", "modelarts", "tracing", "encryption"},
    # Sends with modelarts' transport, and asks for nothing of ours above the people and the ledger.
    "notifications": {"access", "audit", "modelarts", "encryption"},
    "access": {"audit", "statements"},
    "audit": set(),
    "modelarts": set(),
    "simulator": set(),
    "cli": set(),
    "demo": {"clusters", "accounts", "access", "audit", "modelarts", "simulator", "environment"},
    "settings": {"demo", "environment", "logs"},
    "environment": set(),
    "encryption": set(),
    "logs": set(),
    "statements": set(),
    "tracing": set(),
    "urls": {"web", "api"},
    "wsgi": set(),
}
PURE = {"modelarts.codes", "modelarts.grammar", "modelarts.types"}
CALLS_OUT = {"httpx", "requests", "urllib.request", "http.client", "socket"}
TRUSTED_MARKUP = ("mark_safe", "SafeString", "SafeText", "format_html", "allow_lazy_html")

# Every address there is, and which of them answer people who are not signed in. A new one has to be put here.
ROUTES = {
    "web:home",
    "web:dismiss_failure",
    "web:inbox",
    "web:read_inbox",
    "web:news",
    "projects:retire",
    "projects:restore",
    "web:jump",
    "web:draft",
    "web:save_view",
    "web:delete_view",
    "web:theme",
    "accounts:login",
    "accounts:logout",
    "accounts:company",
    "accounts:confirm",
    "accounts:ask_reset",
    "accounts:reset",
    "accounts:security",
    "accounts:add_app",
    "accounts:add_passkey",
    "accounts:recovery_codes",
    "accounts:remove_factor",
    "accounts:password",
    "accounts:end_session",
    "accounts:everywhere",
    "account_login",
    "mfa_authenticate",
    "mfa_login_webauthn",
    "openid_connect_callback",
    "clusters:list",
    "clusters:csv",
    "clusters:json",
    "clusters:owners",
    "clusters:refresh",
    "clusters:new",
    "clusters:cluster",
    "clusters:delete",
    "clusters:owner",
    "clusters:claim",
    "clusters:lock",
    "clusters:unlock",
    "clusters:capacity",
    "clusters:check",
    "clusters:traces",
    "creations:list",
    "creations:csv",
    "creations:json",
    "creations:creation",
    "creations:withdraw",
    "creations:of_form",
    "creations:look",
    "creations:decide",
    "creations:open_follow_up",
    "creations:follow_up",
    "creations:answer",
    "creations:reassign",
    "creations:reschedule",
    "creations:close",
    "creations:approval",
    "audit:list",
    "audit:event",
    "projects:list",
    "projects:connect",
    "projects:pick",
    "projects:project",
    "projects:change",
    "projects:key",
    "projects:test",
    "audit:summary",
    "audit:archive",
    "audit:verify",
    "audit:download",
    "audit:acknowledge",
    "audit:check_now",
    "audit:chain",
    "audit:alerts",
    "audit:test_alerts",
    "audit:export",
    "audit:review",
    "audit:reports",
    "audit:report",
    "audit:report-file",
    "audit:mark",
    "audit:account",
    "teams:list",
    "teams:team",
    "teams:who",
    "teams:rules",
    "teams:quota",
    "teams:rename",
    "teams:revoke",
    "teams:owners",
    "audit:account_all",
    "people:invite",
    "teams:give",
    "teams:grant",
    "teams:review",
    "teams:open_review",
    "teams:cancel_review",
    "teams:evidence",
    "teams:evidence_file",
    "teams:request",
    "teams:messages",
    "teams:add_target",
    "teams:target",
    "teams:act_on_target",
    "audit:messages",
    "audit:add_target",
    "audit:target",
    "audit:act_on_target",
    "teams:uninvite",
    "access:mine",
    "access:ask",
    "access:withdraw",
    "access:invitation",
    "access:new_token",
    "access:revoke_token",
    "teams:add_service",
    "teams:remove_service",
    "people:list",
    "people:appoint",
    "people:dismiss",
    "people:activity",
    "people:correct",
    "people:add_team",
    "set_language",
    "healthz",
    "readyz",
    "metrics",
    "api",
    "api:openapi",
    "api:me",
    "api:creations",
    "api:creation",
    "api:withdraw",
    "api:approve_creation",
    "api:decline_creation",
    "api:clusters",
    "api:cluster",
    "api:deletions",
    "api:deletion",
    "api:projects",
    "api:teams",
    "api:grants",
    "api:grant",
    "api:access_requests",
    "api:approve",
    "api:decline",
    "api:events",
    "api:export",
    "api:integrity",
}
API = {name for name in ROUTES if name.startswith("api:")}
SIGNING_IN = {
    "accounts:login",
    "accounts:company",
    "accounts:ask_reset",
    "accounts:reset",
    "account_login",
    "mfa_authenticate",
    "mfa_login_webauthn",
    "openid_connect_callback",
}
FOR_EVERYBODY = SIGNING_IN | {
    "access:invitation",
    "web:theme",
    "web:draft",
    "set_language",
    "healthz",
    "readyz",
    "metrics",
    "api",
}


def room_of(module: str) -> str:
    """`web` for `hyperclusters.web.clusters.views.new`; empty for what is not ours."""
    parts = module.split(".")
    return parts[1] if parts[0] == "hyperclusters" and len(parts) > 1 else ""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, str, ast.stmt]]:
    """Each import of a file as (module, name or empty, statement), relative ones made absolute."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            for alias in node.names:
                # `from hyperclusters import web` names a room as much as `from hyperclusters.web import …` does.
                inner = f"{module}.{alias.name}" if module == "hyperclusters" else module
                yield inner, alias.name, node


def breaches() -> list[str]:
    names = []
    for path in MODULES:
        here = room_of(name_of(path))
        for module, name, node in imports(path):
            there = room_of(module)
            if there and there != here and there not in MAY_IMPORT.get(here, set()):
                names.append(
                    f"{path.relative_to(ROOT)}:{node.lineno}: {here or 'hyperclusters'} imports {there} ({name})"
                )
    return names


def test_each_room_imports_only_the_rooms_below_it() -> None:
    assert breaches() == []


def test_every_room_has_its_place_in_the_rule() -> None:
    rooms = {path.name for path in HOUSE.iterdir() if (path / "__init__.py").exists()}
    assert rooms <= MAY_IMPORT.keys()


def test_only_the_settings_import_the_demo_and_only_the_demo_imports_the_simulator() -> None:
    assert [name for name, allowed in MAY_IMPORT.items() if "demo" in allowed] == ["settings"]
    assert {room for room, allowed in MAY_IMPORT.items() if "simulator" in allowed} == {"demo"}


def test_pages_take_only_pure_names_from_modelarts() -> None:
    calling = []
    for path in (HOUSE / "web").rglob("*.py"):
        for module, name, node in imports(path):
            if room_of(module) != "modelarts":
                continue
            value = getattr(modelarts, name, None)
            home = getattr(value, "__module__", "").removeprefix("hyperclusters.")
            if not (module == "hyperclusters.modelarts" and (home in PURE or name in vars(grammar))):
                calling.append(f"{path.relative_to(ROOT)}:{node.lineno}: {module} {name}")
    assert calling == []


def test_texts_and_shared_parts_import_no_page_family() -> None:
    """`web.texts` knows no other part of `web`; `web.shared` knows `web.texts`; the page families know both."""
    web = HOUSE / "web"
    families = {path.name for path in web.iterdir() if (path / "urls.py").exists()}
    assert families == {"access", "accounts", "audit", "clusters", "pages", "projects"}
    upward = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {module}"
        for lower, forbidden in {"texts": families | {"shared"}, "shared": families}.items()
        for path in (web / lower).rglob("*.py")
        for module, _, node in imports(path)
        if module.startswith("hyperclusters.web.") and module.split(".")[2] in forbidden
    ]
    assert upward == []


def test_only_modelarts_the_simulator_and_the_client_speak_http_themselves() -> None:
    speaking = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {module}"
        for path in MODULES
        if room_of(name_of(path)) not in {"modelarts", "simulator", "demo", "cli"}
        for module, name, node in imports(path)
        if (module in CALLS_OUT or f"{module}.{name}" in CALLS_OUT)
        and (path.name, module) != ("heartbeat.py", "socket")  # asks for the host's own name
        # Posts to the operator's own collector, an address from the settings: nothing that anybody types gets there,
        # and the standard library is enough for one post at a time in a thread of its own.
        and (room_of(name_of(path)), path.name, module) != ("audit", "push.py", "http.client")
    ]
    assert speaking == []


def test_one_place_builds_clients_of_the_cloud() -> None:
    building = {
        str(path.relative_to(HOUSE))
        for path in MODULES
        if room_of(name_of(path)) in {"web", "clusters", "access", "audit", "notifications"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"Client", "Transport"}
    }
    assert building == {"clusters/upstream.py", "notifications/delivery.py"}  # the second: chats


def test_modelarts_the_simulator_and_the_client_know_no_django() -> None:
    knowing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if room_of(name_of(path)) in {"modelarts", "simulator", "cli"}
        for module, _, node in imports(path)
        if module.partition(".")[0] == "django"
    ]
    assert knowing == []


def test_no_import_hides_inside_a_function() -> None:
    hidden = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_files_and_functions_are_short() -> None:
    """A file is read in a sitting, a function at once. The settings are one table, and migrations write themselves."""
    trees = {path: ast.parse(path.read_text()) for path in MODULES if "migrations" not in path.parts}
    files = [
        f"{path.relative_to(ROOT)}: {count}"
        for path in trees
        if (count := path.read_text().count("\n")) > (400 if path.name == "settings.py" else 300)
    ]
    functions = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 40
    ]
    assert files + functions == []


IRREGULAR = """
    begun bound bought broken brought built caught chosen done drawn driven fallen felt forgotten found frozen given gone
    grown heard held hidden kept known laid led left lent lost made met paid ridden risen said seen sent shown sold spent
    spoken stolen stood sworn swept taken thought thrown told torn understood woken won worn written
"""
PARTICIPLE = re.compile(rf"[a-z]{{2,}}(ed|ing)|{'|'.join(IRREGULAR.split())}")
# Right all the same: nouns; filters of querysets and errors, which say what a row or an answer is; Django's own names.
NOUNS = """
    deed everything feed greeting heading listing logging meaning monitoring nothing ordering paging parsing reading seed
    signing thing timing tracing warning
"""
FILTERS = "closed expired failing lapsed matching pending reminded unaccounted undecided unexpired unresolved vanished"
ERRORS = "blocked denied misconfigured stopped superseded throttled"
# Of a template, the command line, the API, a form; columns and what goes into them; kinds of a chart's bars; the vendor's.
CONTRACTS = "carried gone sent needed picked trusted acknowledged created failed accepted enabled"
STANDARD = "elapsed"  # as httpx names it


def names_in(tree: ast.Module) -> Iterator[str]:
    """The names that a module gives, but for states and kinds: the constants of its classes, and several in a row."""
    rows = [each for node in tree.body if isinstance(node, ast.Assign) for each in node.targets]
    classes = [each for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for each in node.body]
    places = [*classes, *(each for each in rows if isinstance(each, ast.Tuple))]
    names = [name for each in places for name in ast.walk(each) if isinstance(name, ast.Name)]
    constants = {id(name) for name in names if name.id.isupper()}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in constants:
            yield node.id


def test_no_name_is_a_bare_participle() -> None:
    """A name says what a thing is: of modules, functions, classes, parameters, fields and variables."""
    allowed = set(f"{NOUNS} {FILTERS} {ERRORS} {CONTRACTS} {STANDARD}".split())
    bare = set()
    for path in (each for each in MODULES if "migrations" not in each.parts):
        place = str(path.relative_to(ROOT))
        names = {path.stem, *names_in(ast.parse(path.read_text()))}
        words = {
            name.lower().strip("_") for name in names if name.islower() or name.isupper() or name.istitle()
        }
        bare |= {f"{place}: {word}" for word in words - allowed if PARTICIPLE.fullmatch(word)}
    assert bare == set()


def test_modules_import_each_other_in_no_circle() -> None:
    names = {name_of(path) for path in MODULES}
    graph: dict[str, set[str]] = {
        name_of(path): {
            f"{module}.{name}" if f"{module}.{name}" in names else module for module, name, _ in imports(path)
        }
        & names - {name_of(path)}
        for path in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_import_takes_everything() -> None:
    assert [str(path) for path in MODULES for _, name, _ in imports(path) if name == "*"] == []


def test_no_room_reaches_for_another_room_s_private_names() -> None:
    private = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {module} {name}"
        for path in MODULES
        for module, name, node in imports(path)
        if room_of(module) != room_of(name_of(path))
        and (name.startswith("_") or "._" in module)
        and room_of(module)
    ]
    assert private == []


def test_our_own_logic_uses_no_signals() -> None:
    listening = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for module, name, node in imports(path)
        if module.endswith("signals") or module == "django.dispatch" or name == "receiver"
    ]
    assert listening == []


def test_no_code_marks_text_as_safe_markup() -> None:
    marking = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in MODULES
        for word in TRUSTED_MARKUP
        if word in path.read_text()
    ]
    assert marking == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("text trusted as markup", r"\|\s*(safe|safeseq)\b|autoescape\s+off|\{%\s*filter\s+safe"),
        ("an inline script", r"<script(?![^>]*\bsrc=)[^>]*>"),
        ("an inline style sheet", r"<style\b"),
        ("a style attribute", r"<[^>]*\sstyle\s*="),
        ("a handler attribute", r"<[a-zA-Z][^>]*\s(on[a-z]+|hx-on[:-][^=\s]*)\s*="),
        ("a script as an address", r"javascript:|\"js:|'js:"),
        ("a file from another host", r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](?:https?:)?//"),
    ],
)
def test_no_template_holds(what: str, pattern: str) -> None:
    holding = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in TEMPLATES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert holding == [], what


def test_a_region_that_asks_again_by_itself_says_so() -> None:
    """A page left open must not keep its person signed in: the middleware knows a poll by this header."""
    silent = [
        f"{path.relative_to(ROOT)}: {tag[:80]}"
        for path in TEMPLATES
        for tag in re.findall(r"<[a-z][^<>]*hx-trigger=[^<>]*", path.read_text())
        if re.search(r"hx-trigger=\"[^\"]*\b(every|load)\b", tag) and '{"X-Poll": "' not in tag
    ]
    assert silent == []


def address_of(name: str) -> str:
    """An address of this route, with made-up parts where it wants some."""
    made_up = {
        "uuid": "0e6f1c1e-7d7a-4b5e-9a9e-000000000001",
        "uuidstr": "0e6f1c1e-7d7a-4b5e-9a9e-000000000001",  # ninja's
        "int": "1",
        "number": "1",
        "slug": "vision",
        "string": "x",
    }
    pattern = dict(routes())[name].pattern
    return reverse(
        name,
        kwargs={
            key: made_up[type(c).__name__.removesuffix("Converter").lower()]
            for key, c in pattern.converters.items()
        },
    )


def test_g23_every_route_is_in_the_table() -> None:
    assert set(dict(routes())) == ROUTES


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(ROUTES - FOR_EVERYBODY - API))
@pytest.mark.parametrize("method", ["get", "post"])
def test_g23_a_route_wants_a_signed_in_person(name: str, method: str) -> None:
    answer = getattr(Browser(), method)(address_of(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/")


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(API - {"api:openapi"}))
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_g23_an_endpoint_wants_a_token(name: str, method: str) -> None:
    answer = getattr(Browser(), method)(address_of(name))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_a_view_is_short_enough_to_be_read_at_a_glance(name: str) -> None:
    view = inspect.unwrap(dict(routes())[name].callback)
    if not view.__module__.startswith("hyperclusters."):
        return
    definition = ast.parse(inspect.getsource(view)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    body = [
        part
        for part in definition.body
        if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
    ]
    assert (definition.end_lineno or 0) - body[0].lineno + 1 <= 20


@pytest.mark.django_db
def test_the_migrations_make_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True)
