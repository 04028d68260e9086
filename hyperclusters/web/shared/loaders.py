"""Templates without their indentation: a browser does not see it, and it is a twentieth of a page."""

from __future__ import annotations

import re

from django.template import Origin
from django.template.loaders import filesystem
from jinja2.ext import Extension

INDENTATION = re.compile(r"(<pre\b.*?</pre>)|\n\s+", re.DOTALL)


def without_indentation(text: str) -> str:
    """Each line as it begins, blank ones left out, but code as it is written."""
    return INDENTATION.sub(lambda match: match[1] or "\n", text)


class Loader(filesystem.Loader):
    """The file system's."""

    def get_contents(self, origin: Origin) -> str:
        """The template's text. Mails keep theirs."""
        text = super().get_contents(origin)
        return without_indentation(text) if origin.name.endswith(".html") else text


class JinjaIndentation(Extension):
    """The same for Jinja2."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 -- Jinja2's
        """Its text as it is compiled."""
        return without_indentation(source)
