"""What the JSON API costs the web processes: CPU, which a busy machine does not change as it changes times."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import median

from bench.browser import Browser
from bench.figures import Figure
from bench.people import Crew, crew, sign_in, stock
from bench.site import Site
from hyperclusters.accounts.models import Scope
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock

WARM, ROUNDS, TURNS = 30, 20, 8  # requests before, requests of a turn, turns
CLUSTERS = 50  # as many as a page and an answer show
CREATE = 15.0  # milliseconds


def measure(site: Site) -> Iterator[Figure]:
    """The list beside the page that shows the same clusters, turn by turn; then the create call."""
    team = crew(site, "api", projects=1)
    stock(team, CLUSTERS)
    with Browser(site.web, sign_in(team.creator)) as page, Browser(site.web, token=_token(team)) as api:

        def create() -> None:
            body = {
                "project": team.projects[0].name,
                "name": f"api-{uuid.uuid4().hex[:12]}",
                "reason": "bench",
            }
            api.send_json("/api/v1/creations", json.dumps(body), **{"Idempotency-Key": str(uuid.uuid4())})

        requests: list[Callable[[], object]] = [
            lambda: page.get("/clusters/"),
            lambda: api.get(f"/api/v1/clusters?limit={CLUSTERS}"),
            create,
        ]
        for request in requests * WARM:
            request()
        pages, lists, creates = zip(
            *([_cpu(site, request) for request in requests] for _ in range(TURNS)), strict=True
        )
    yield Figure(
        f"CPU of the API's list of {CLUSTERS} clusters over that of the page",
        f"{median(lists):.1f} ms",
        f"{median(pages):.1f} ms",
        median(a / b for a, b in zip(lists, pages, strict=True)),
        0.5,
    )
    yield Figure(
        "CPU of a create call to the API",
        f"{median(creates):.1f} ms",
        f"{CREATE:.0f} ms",
        median(creates) / CREATE,
        1.0,
    )


def _cpu(site: Site, request: Callable[[], object]) -> float:
    """Milliseconds of CPU that the web processes use for one, the mean of a turn."""
    before = site.web_cpu()
    for _ in range(ROUNDS):
        request()
    return (site.web_cpu() - before) / ROUNDS * 1000


def _token(team: Crew) -> str:
    return create_token(
        by=team.creator,
        owner=team.creator,
        name="bench",
        scopes=list(Scope.values),
        expires_at=clock.now() + timedelta(days=1),
    )[1]
