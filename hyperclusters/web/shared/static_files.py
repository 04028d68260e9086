"""Static files as an installation serves them: our own without comments and blanks, all of them named by what is in them
and compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import rcssmin
import rjsmin
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage


def _cssmin(text: str) -> str:
    """Shorter styles. rcssmin takes a layer for a rule, and joins `a :is(b)` within: as @media it knows what it is."""
    as_media = re.sub(r"@(layer|container)(?=[^;{}]*\{)", r"@media \1", text)
    shorter: str = re.sub(r"@media (layer|container)\b", r"@\1", rcssmin.cssmin(as_media))
    return shorter


MINIFIERS = {"css": _cssmin, "js": rjsmin.jsmin}  # by folder; what packages bring stays as it is


class MinifiedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, behind minifiers that only leave out what a browser skips: no name changes."""

    # A script that loads another one later finds it by the name that it is served with.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", ((r"""(?P<matched>import\("(?P<url>\./.*?)"\))""", 'import("%(url)s")'),)),
    )

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        """Minify what was collected, then name and compress it."""
        if not dry_run:
            paths = {name: (self, name) if self._minify(name) else path for name, path in paths.items()}
        yield from super().post_process(paths, dry_run, **options)

    def _minify(self, name: str) -> bool:
        """Write a file of our own anew, and say whether it was one. Doing so twice changes nothing."""
        if name.partition("/")[0] not in MINIFIERS:
            return False
        with self.open(name) as file:
            content = minify(name, file.read())
        self.delete(name)
        self.save(name, ContentFile(content))
        return True


def minify(name: str, content: bytes) -> bytes:
    """This file's content as it is served."""
    minifier = MINIFIERS.get(name.partition("/")[0])
    return minifier(content.decode()).encode() if minifier else content
