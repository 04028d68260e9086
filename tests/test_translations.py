"""The Chinese the dashboard speaks is whole: every sentence translated, with its placeholders, and compiled."""

from __future__ import annotations

import ast
import gettext
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"
MO = PO.with_suffix(".mo")
# What sentences are read from; the simulator and the client speak no human language.
EXTRACTED = ("manage.py", "hyperclusters", "templates")
WITHOUT_SENTENCES = ("simulator", "modelarts", "__pycache__")
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# Names that are the same in every language.
NAMES = {"hyperclusters", "CSV", "JSON", "OpenAPI", "curl", "hcloud", "Python", "SDK", "UTC", "HPS", "ECS"}
REMEDY = (
    "run manage.py makemessages -l zh_Hans --no-obsolete --no-location -i build -i tests -i bench, "
    "translate what is new, and run manage.py compilemessages -l zh_Hans"
)
CHINESE = r"[\u3400-\u9fff]"
LATIN = r"[A-Za-z0-9]"


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a .po file. `plural` is empty where there is none."""

    text: str
    plural: str
    context: str
    translations: tuple[str, ...]
    is_fuzzy: bool

    @property
    def key(self) -> tuple[str, str, str]:
        return self.context, self.text, self.plural


def read(path: Path) -> list[Message]:
    """The entries of a .po file, its header first. Lines that begin with `#~` are entries no longer used."""
    messages = []
    for block in re.split(r"\n{2,}", path.read_text(encoding="utf-8").strip()):
        fields: dict[str, str] = {}
        field = ""
        for line in block.splitlines():
            if match := re.match(r'(msg\w+(?:\[\d+\])?) (".*")$', line):
                field = match[1]
                fields[field] = ""
            if line.startswith(("msg", '"')):
                fields[field] += ast.literal_eval(line[line.index('"') :])
        if fields:
            said = tuple(text for name, text in fields.items() if name.startswith("msgstr"))
            flags = "".join(line for line in block.splitlines() if line.startswith("#,"))
            context, plural = fields.get("msgctxt", ""), fields.get("msgid_plural", "")
            messages.append(Message(fields["msgid"], plural, context, said, "fuzzy" in flags))
    return messages


HEADER, *MESSAGES = read(PO)


PLACEHOLDER = r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[a-zA-Z%]"


def placeholders(text: str) -> Counter[str]:
    return Counter(re.findall(PLACEHOLDER, text))


def test_the_file_is_what_it_says() -> None:
    assert len(MESSAGES) > 300
    assert "Language: zh_Hans\n" in HEADER.translations[0]
    assert "Project-Id-Version: hyperclusters\n" in HEADER.translations[0]
    assert "nplurals=1; plural=0;" in HEADER.translations[0]
    assert "#~" not in PO.read_text(encoding="utf-8"), "entries that are not used any more: " + REMEDY


def test_every_sentence_is_translated() -> None:
    missing = [message.text for message in MESSAGES if not all(message.translations)]
    assert missing == []


def test_no_translation_is_a_guess() -> None:
    assert [message.text for message in MESSAGES if message.is_fuzzy] == []


def test_a_sentence_with_a_count_has_the_one_form_that_chinese_has() -> None:
    assert [message.text for message in MESSAGES if len(message.translations) != 1] == []


def test_placeholders_are_the_same_in_both_languages() -> None:
    differing = [
        (message.text, text)
        for message in MESSAGES
        for text in message.translations
        if placeholders(text) != placeholders(message.plural or message.text)
    ]
    assert differing == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("half-width punctuation beside Chinese", rf"{CHINESE} ?[,;:!?()]|[,;:!?()] ?{CHINESE}"),
        ("a full stop beside Chinese", rf"{CHINESE}\."),
        ("no space between Chinese and Latin letters or digits", rf"{CHINESE}{LATIN}|{LATIN}{CHINESE}"),
        ("a space beside full-width punctuation", r"[，。；：！？（）“”、] | [，。；：！？（）、]"),
        ("a space at an end", r"^\s|\s$"),
    ],
)
def test_no_translation_has(what: str, pattern: str) -> None:
    names = [
        text
        for message in MESSAGES
        for text in message.translations
        if re.search(pattern, re.sub(PLACEHOLDER, "%", text))
    ]
    assert names == [], what


def test_what_is_compiled_is_what_is_written() -> None:
    with MO.open("rb") as file:
        compiled: dict[str | tuple[str, int], str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    written: dict[str | tuple[str, int], str] = {}
    for message in MESSAGES:
        key = f"{message.context}\x04{message.text}" if message.context else message.text
        if message.plural:
            written |= {(key, form): text for form, text in enumerate(message.translations)}
        else:
            written[key] = message.translations[0]
    assert compiled.pop("").startswith("Project-Id-Version: hyperclusters\n")
    assert compiled == written, REMEDY


def test_the_sentences_are_those_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extracts them again, in a copy: extraction leaves files beside the templates for a moment."""
    if not shutil.which("xgettext"):
        if os.environ.get("CI") == "true":
            pytest.fail("gettext is not installed, and on CI no test may be skipped.")
        pytest.skip("gettext is not installed (Debian: apt-get install gettext)")
    for name in EXTRACTED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(*WITHOUT_SENTENCES))
        else:
            shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(settings, "LOCALE_PATHS", [tmp_path / "locale"])
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    call_command("makemessages", locale=["zh_Hans"], no_location=True, no_obsolete=True, verbosity=0)
    extracted = {m.key for m in read(tmp_path / "locale/zh_Hans/LC_MESSAGES/django.po") if m.text}
    known = {message.key for message in MESSAGES}
    assert extracted - known == set(), "not in the .po: " + REMEDY
    assert known - extracted == set(), "no longer in the code: " + REMEDY


def test_every_sentence_stands_where_extraction_finds_it() -> None:
    """Extraction skips what is called inside an f-string, and needs the words themselves, not a name for them."""
    hidden = []
    for path in sorted((ROOT / "hyperclusters").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {
            id(call) for text in ast.walk(tree) if isinstance(text, ast.JoinedStr) for call in calls(text)
        }
        hidden += [
            f"{path.relative_to(ROOT)}:{call.lineno}"
            for call in calls(tree)
            if id(call) in inside or not isinstance(call.args[0], ast.Constant)
        ]
    assert hidden == []


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that translate, by the names they go by here."""
    names = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


@pytest.mark.parametrize("path", TEMPLATES, ids=[str(path.relative_to(ROOT)) for path in TEMPLATES])
def test_a_template_holds_no_words_of_its_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for kept_aside in (
        r"\{#.*?#\}",
        r"\{%\s*comment.*?endcomment\s*%\}",
        r"\{%\s*block \w*class\s*%\}.*?endblock\s*%\}",
        r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}",
        r"\{%.*?%\}",
        r"\{\{.*?\}\}",
        r"<(pre|code|kbd|svg)\b.*?</\1>",
    ):
        text = re.sub(kept_aside, " ", text, flags=re.DOTALL)
    shown = re.findall(r"(?:aria-label|title|placeholder|alt)=\"([^\"]*)\"", text)
    shown.append(re.sub(r"<[^>]*>", " ", text))
    words = {word for part in shown for word in re.findall(r"[A-Za-z]{2,}", part)}
    assert words - NAMES == set()
