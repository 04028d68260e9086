"""Pages and files come small: minified, compressed as the browser can read it, and padded where a page has secrets."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.http import HttpResponse, StreamingHttpResponse
from django.template import Engine, Origin
from django.test import RequestFactory
from pytest_django import Settings

from hyperclusters.web.shared.compression import CompressionMiddleware, padded_brotli
from hyperclusters.web.shared.loaders import Loader
from tests.conftest import Projects
from tests.web.pages import SignIn

pytestmark = pytest.mark.any_database
ROOT = Path(__file__).resolve().parents[2]
STORAGE = "hyperclusters.web.shared.static_files.MinifiedStaticFilesStorage"


@pytest.fixture
def collected(settings: Settings, tmp_path: Path) -> Path:
    """The folder of static files, collected as an installation does."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": STORAGE}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def served(collected: Path, name: str) -> str:
    path = urlsplit(staticfiles_storage.url(name)).path.removeprefix("/static/")
    packed = collected / f"{path}.br"
    assert brotli.decompress(packed.read_bytes()) == (collected / path).read_bytes()
    return (collected / path).read_text()


def bare(css: str) -> str:
    """Without what has no meaning: comments, blanks, a semicolon before a brace; but with the blank of "a :is(b)"."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"(?<=[\w\])]) (?=:(?:is|has|focus))", "~", css)
    return re.sub(r"\s", "", css).replace(";}", "}")


@pytest.mark.parametrize("name", ["app", "audit", "details", "forms", "lists"])
def test_collected_styles_say_the_same_in_fewer_bytes(collected: Path, name: str) -> None:
    source, css = (ROOT / f"static/css/{name}.css").read_text(), served(collected, f"css/{name}.css")
    assert bare(css) == bare(source)
    assert "/*" not in css
    assert len(css) < 0.95 * len(source)


def test_collected_scripts_say_the_same_in_fewer_bytes(collected: Path) -> None:
    script = served(collected, "js/app.js")
    assert "\n//" not in script
    assert len(script) < 0.85 * len((ROOT / "static/js/app.js").read_text())


def test_a_script_loads_another_one_by_the_name_that_it_is_kept_by(collected: Path) -> None:
    names = re.findall(r'import\("\./(.*?)"\)', served(collected, "js/app.js"))
    assert {name.partition(".")[0] for name in names} == {"boxes", "download", "forms", "jump", "rows"}
    for name in names:
        assert re.fullmatch(r"[a-z]+\.[0-9a-f]{12}\.js", name)
        assert (collected / "js" / name).exists()


def test_collecting_again_names_the_same_files(collected: Path) -> None:
    first = {path.name for path in collected.rglob("*") if path.is_file()}
    (collected / "staticfiles.json").unlink()
    call_command("collectstatic", interactive=False, verbosity=0)
    assert {path.name for path in collected.rglob("*") if path.is_file()} == first
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    assert {path.name for path in collected.rglob("*") if path.is_file()} == first


def test_what_packages_bring_is_served_as_it_came(collected: Path) -> None:
    served_text = served(collected, "django_htmx/htmx-2.min.js")
    assert served_text == (collected / "django_htmx/htmx-2.min.js").read_text()


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.5", "br"),
        ("gzip, br;q=0", "gzip"),
        ("br;q=0.000, gzip", "gzip"),
        ("zebra", None),
        ("", None),
    ],
)
def test_a_page_comes_compressed_to_who_can_read_that(
    accepts: str, encoding: str | None, as_: SignIn, projects: Projects
) -> None:
    plain = as_("ada").get("/clusters/")
    packed = as_("ada").get("/clusters/", headers={"Accept-Encoding": accepts})
    assert packed.headers.get("Content-Encoding") == encoding
    assert "Content-Encoding" not in plain.headers
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}[encoding]
    assert b"<h1>Clusters</h1>" in unpack(packed.content)
    assert "Accept-Encoding" in packed.headers["Vary"]
    if encoding:
        assert len(packed.content) < len(plain.content) / 2
        assert packed.headers["Content-Length"] == str(len(packed.content))


def test_the_size_of_a_page_varies_by_chance_whatever_is_in_it(rf: RequestFactory) -> None:
    request = rf.get("/", headers={"Accept-Encoding": "br"})
    send: Any = CompressionMiddleware(lambda _request: HttpResponse("the same text " * 100))
    answers = [send(request).content for _ in range(200)]
    assert len({len(answer) for answer in answers}) > 40
    assert {brotli.decompress(answer) for answer in answers} == {b"the same text " * 100}


def test_every_padding_can_be_read() -> None:
    for padding in range(1, 257):
        packed = padded_brotli("Seite 页面".encode() * 50, padding)
        assert brotli.decompress(packed) == "Seite 页面".encode() * 50
        assert len(packed) - len(padded_brotli("Seite 页面".encode() * 50, 1)) == padding - 1


def test_small_answers_packed_answers_and_streams_are_left_to_gzip(rf: RequestFactory) -> None:
    def encoding(response: HttpResponse | StreamingHttpResponse) -> Any:
        middleware: Any = CompressionMiddleware(lambda _request: response)
        return middleware(rf.get("/", headers={"Accept-Encoding": "br, gzip"})).headers.get(
            "Content-Encoding"
        )

    assert encoding(HttpResponse("short")) is None
    assert encoding(HttpResponse("text" * 100, headers={"Content-Encoding": "identity"})) == "identity"
    assert encoding(StreamingHttpResponse(iter([b"text" * 100]))) == "gzip"
    tagged = HttpResponse("text" * 100, headers={"ETag": '"abc"'})
    assert encoding(tagged) == "br"
    assert tagged.headers["ETag"] == 'W/"abc"'


def test_pages_come_without_their_templates_indentation_and_code_and_mails_with_it(tmp_path: Path) -> None:
    text = "<ul>\n    <li\n      title='x'>\n\n  a</li>\n</ul>\n<pre>\n  code\n\n    more</pre>\n  <p>\n"
    for name in ("page.html", "mail.txt"):
        (tmp_path / name).write_text(text)
    loader = Loader(Engine.get_default(), dirs=[tmp_path])
    html, mail = (
        loader.get_contents(Origin(str(tmp_path / name), name, loader)) for name in ("page.html", "mail.txt")
    )
    assert html == "<ul>\n<li\ntitle='x'>\na</li>\n</ul>\n<pre>\n  code\n\n    more</pre>\n<p>\n"
    assert mail == text


def test_no_page_has_indentation(as_: SignIn, projects: Projects) -> None:
    for path in ("/", "/clusters/", "/clusters/new/", "/audit/"):
        page = re.sub(r"<(pre|svg).*?</\1>", "", as_("olga").get(path).content.decode(), flags=re.DOTALL)
        assert not re.findall(r"\n +\S.*", page), path
