"""What a browser with an empty cache downloads for a page, file by file, as it comes over the wire."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from bench.figures import Figure
from bench.people import REASON, crew, sign_in, stock
from bench.rows import seed
from bench.site import Site
from hyperclusters.access.models import Role
from hyperclusters.access.services import grant

PAGES = ("/clusters/", "/", "/clusters/new/", "/creations/", "/audit/", "/teams/light/", "/access/")
ROWS, EVENTS = 60, 200  # more than a page shows
MOST, REQUESTS = 40_000, 6  # bytes of the bodies
LINK = re.compile(r'<(?:link|script)[^>]* (?:href|src)="(/static/[^"]+)"')
STYLE = re.compile(r'url\("?(\.\./[^")#]+)')


@dataclass(frozen=True, slots=True)
class File:
    """One answer: its address, and the bytes of its body and of its headers."""

    path: str
    body: int
    headers: int


def measure(site: Site) -> Iterator[Figure]:
    """Each page of a team's admin beside what a first load may take; then each file that they share."""
    team = crew(site, "light", projects=1)
    stock(team, ROWS)
    seed(EVENTS)
    grant(person=team.creator, role=Role.ADMIN, team=team.team, reason=REASON)
    session = sign_in(team.creator)
    shared: dict[str, File] = {}
    for path in PAGES:
        page, *files = _first_load(site, session, path)
        shared |= {each.path: each for each in files}
        body, headers = (
            sum(each.body for each in (page, *files)),
            sum(each.headers for each in (page, *files)),
        )
        yield Figure(
            f"first load of {path}, {len(files) + 1} requests",
            f"{body / 1000:.1f} KB, page {page.body / 1000:.1f}",
            f"{MOST / 1000:.0f} KB; headers {headers / 1000:.1f}",
            max(body / MOST, (len(files) + 1) / REQUESTS if len(files) + 1 > REQUESTS else 0),
            1.0,
        )
    for each in shared.values():
        yield Figure(f"  {each.path}", f"{each.body / 1000:.1f} KB", "", each.body / MOST, None)


def _first_load(site: Site, session: str, path: str) -> list[File]:
    """The page, and what its markup and its style sheet name."""
    wire = http.client.HTTPConnection(site.web, timeout=30)
    page, text = _get(wire, path, f"session={session}")
    files = [page]
    for link in dict.fromkeys(LINK.findall(text)):
        file, content = _get(wire, link, "")
        files.append(file)
        if link.endswith(".css"):
            names = dict.fromkeys(STYLE.findall(content))
            files.extend(_get(wire, urljoin(link, name), "")[0] for name in names)
    wire.close()
    return files


def _get(wire: http.client.HTTPConnection, path: str, cookies: str) -> tuple[File, str]:
    """Its size as compressed; its text by asking for it again as it is."""
    sizes, text = [], ""
    for encoding in ("br, gzip", "identity"):
        wire.request("GET", path, headers={"Cookie": cookies, "Accept-Encoding": encoding})
        answer = wire.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        sizes.append((len(content), len(str(answer.headers).encode())))
        text = content.decode() if encoding == "identity" else ""
    return File(path, *sizes[0]), text
