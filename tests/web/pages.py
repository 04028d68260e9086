"""How the tests read and fill in pages."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection
from django.test import Client as Browser

SignIn = Callable[[str], Browser]
NEW = "/clusters/new/"
VISION, SPEECH = "vision-cn-southwest-2", "speech-cn-north-9"
HTMX = {"HX-Request": "true"}

# What must come out of a page as text and never as markup, whoever said it.
PAYLOADS = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "javascript:alert(1)",
    "{{ 7|add:7 }}{% now 'Y' %}",
    "<!-- <b>--!><i>",
    "&lt;b&gt;&#60;i&#62;",
    "<a href=//evil.example>x</a>",
    "</script><!--<script>",
    "<style>*{display:none}</style>",
    '=HYPERLINK("http://evil.example","x")',
    "%0d%0aSet-Cookie: a=b",
    "中文 émoji 🚀 <b>",
    "\u202egnp.exe<b>",
)

# What each of them would be if it came out as markup.
LIVE_MARKUP = (
    "<script>alert",
    "<svg onload",
    "<img src=x",
    "<style>*",
    "<a href=//evil",
    '" autofocus onfocus',
    "' onmouseover",
    "--!><i>",
    "émoji 🚀 <b>",
    "gnp.exe<b>",
)


def holds_markup(page: str) -> bool:
    """Whether one of the payloads came out as markup."""
    return any(markup in page for markup in LIVE_MARKUP)


def body(answer: Any) -> str:
    """The page as it was sent."""
    text: str = answer.content.decode()
    return text


def words(answer: Any) -> str:
    """What a person reads: without tags, entities resolved, spaces folded; shortened IDs whole."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", body(answer), flags=re.DOTALL)
    text = re.sub(r'(<span class="id">[^<>]+)<span>([^<>]+)</span>', r"\1\2", text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def main(answer: Any) -> str:
    """The page's own content as read, without what frames every page."""
    match = re.search(r"<main\b.*?</main>", body(answer), flags=re.DOTALL)
    assert match, "the page has no main part"
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", match[0])).split())


def fresh_token(browser: Browser) -> str:
    """The one-time token of a newly opened form."""
    match = re.search(r'name="token" value="([0-9a-f-]+)"', body(browser.get(NEW)))
    assert match, "the form has no token"
    return match[1]


def submit(browser: Browser, *, token: str | None = None, **values: str) -> Any:
    """Open the form, fill it in and post it, as a browser without JavaScript does."""
    typed = {"project": VISION, "type": "HPS", "reason": "", "hyper_cluster_subnet_id": ""}
    return browser.post(NEW, typed | {"token": token or fresh_token(browser)} | values)


def post_by_hand(browser: Browser, **values: str) -> Any:
    """Post the form without ever having been shown it."""
    typed = {"project": VISION, "type": "HPS", "token": str(uuid.uuid4()), "reason": "", "name": "by-hand"}
    return browser.post(NEW, typed | values)


def value_of(answer: Any, name: str) -> str:
    """What a field of a shown form holds."""
    match = re.search(rf'<input[^>]*\bname="{name}"[^>]*>', body(answer))
    assert match, f"no field {name}"
    value = re.search(r'\bvalue="([^"]*)"', match[0])
    return html.unescape(value[1]) if value else ""


@contextmanager
def read_only_database() -> Iterator[None]:
    """The database answers and accepts no entries, as on a full disk or a standby."""
    on, off = (
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF")
        if connection.vendor == "sqlite"
        else ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off")
    )
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


@contextmanager
def failing_database(*, unless: str = "", error: type[Exception] = OperationalError) -> Iterator[None]:
    """Every statement fails, but for those that hold `unless`."""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if unless and unless in sql:
            return execute(sql, params, many, context)
        raise error("the database is away")

    with connection.execute_wrapper(fail):
        yield
