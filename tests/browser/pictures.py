"""`make pictures`: every page of the demo, light and dark, wide and narrow, in both languages, into build/pictures.

They are for looking at. `make pictures PICTURES=…` takes only those whose name holds one of the parts.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Browser, Page, expect, sync_playwright

from bench.processes import free_port
from tests.browser.chromium import ARGUMENTS, CHROMIUM

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "pictures"
README_S = {"ada-clusters-en-light-1440": "clusters.png"}  # those that README.md shows, in docs/pictures
WIDTHS = (1440, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOCALES = {"en": "en-GB", "zh": "zh-CN"}


class Shot(NamedTuple):
    """A page: for whom, its name in the file's name, its address, and the links to follow, the parts to open and the
    fields to fill in there, each with its text."""

    person: str
    name: str
    path: str
    follow: tuple[str | tuple[str, str], ...] = ()


KEY = (
    ("#id_name", "research-cn-southwest-2"),
    ("#id_endpoint", "{simulator}"),
    ("#id_access_key", "DEMOACCESSKEY"),
    ("#id_secret_key", "demo-secret-key"),
)
CHAT = (
    "[name=service][value=slack]",
    ("#id_name", "Audit on call"),
    ("#id_url", "https://127.0.0.1:9/services/T0/B0/x"),
)
SHOTS = (
    Shot("", "sign-in", "/accounts/login/"),
    Shot("", "not-found", "/nothing/"),
    Shot("", "no-invitation", "/access/invitations/made-up/"),
    *(Shot(person, "home", "/") for person in ("ada", "tom", "vera", "olga", "root", "nina")),
    Shot("ada", "clusters", "/clusters/"),
    Shot("ada", "clusters-none-fits", "/clusters/?q=nothing-like-this"),
    Shot("nina", "clusters", "/clusters/"),
    Shot("ada", "cluster", "/clusters/?q=infer", ("table a.name",)),
    Shot("tom", "cluster-inside", "/clusters/?q=train-a3-west&sort=name", ("table a.name",)),
    Shot(
        "tom", "cluster-capacity", "/clusters/?q=train-a3-west&sort=name", ("table a.name", "#ask-capacity")
    ),
    Shot("ada", "cluster-outside", "/clusters/?q=lab-shared", ("table a.name",)),
    Shot("tom", "cluster-danger", "/clusters/?q=lab-shared", ("table a.name", "#danger-zone summary")),
    Shot("tom", "cluster-delete", "/clusters/?q=train-a3-west&sort=name", ("table a.name", "#danger-zone a")),
    Shot("ada", "cluster-delete", "/clusters/?q=infer", ("table a.name", "#danger-zone a")),
    Shot("ada", "new", "/clusters/new/"),
    Shot("ada", "new-taken", "/clusters/new/?name=train-a3-west"),
    Shot("nina", "new", "/clusters/new/"),
    Shot("ada", "creations", "/creations/"),
    Shot("nina", "creations", "/creations/"),
    *(
        Shot("tom", f"creation-{name}", "/creations/", (f"table a.name:text-is('{name}')",))
        for name in ("train-a3-west", "rl-sweep-7", "lost-answer", "two-of-a-name")
    ),
    Shot("olga", "audit", "/audit/"),
    Shot("olga", "audit-filtered", "/audit/?range=7d&action=cluster:create:failed"),
    Shot("olga", "audit-none-fits", "/audit/?q=nothing-like-this"),
    Shot(
        "olga", "event", "/audit/?range=7d&action=cluster:create:failed", ("table tbody a[href^='/audit/']",)
    ),
    Shot("olga", "chain", "/audit/chain/"),
    Shot("olga", "archive", "/audit/archive/"),
    Shot("olga", "archive-search", "/audit/archive/?reads=0"),
    Shot("tom", "archive-search", "/audit/archive/?reads=0"),
    Shot("olga", "review", "/audit/review/"),
    Shot("olga", "review-outside", "/audit/review/?show=outside"),
    Shot("olga", "cluster-traces", "/clusters/?q=lab-shared", ("table a.name", "#ask-traces")),
    Shot("olga", "review-follow-up", "/audit/review/?show=follow-up"),
    Shot("olga", "follow-up", "/audit/review/?show=follow-up", ("table a.name",)),
    Shot("olga", "follow-up-new", "/creations/", ("table a.name", "a[href$='/follow-up/']")),
    Shot("ada", "follow-up", "/", ("#waiting a[href*='follow-ups']",)),
    Shot("ada", "creation-follow-up", "/creations/?q=rl-sweep-7", ("table a.name",)),
    Shot("olga", "cluster-claim", "/clusters/?q=notebook-gateway", ("table a.name", "#claim summary")),
    Shot("olga", "export", "/audit/export/"),
    Shot("tom", "audit", "/audit/"),
    Shot("nina", "not-permitted", "/audit/"),
    Shot("nina", "not-found", "/nothing/"),
    Shot("olga", "alerts", "/audit/alerts/"),
    Shot("sam", "creation-approval", "/creations/?state=approval", ("table a.name",)),
    Shot("sam", "home-approval", "/"),
    Shot("mallory", "new-approval", "/clusters/new/?type=ECS&name=tts-pool-2"),
    Shot("tom", "teams", "/teams/"),
    Shot("root", "teams", "/teams/"),
    Shot("tom", "team", "/teams/vision/"),
    Shot("root", "team", "/teams/vision/"),
    Shot("vera", "team", "/teams/vision/"),
    Shot("tom", "messages", "/teams/vision/messages/"),
    Shot("tom", "messages-new", "/teams/vision/messages/new/"),
    Shot("olga", "messages-tested", "/audit/messages/new/", (*CHAT, "button.primary", "button[value=test]")),
    Shot("tom", "give", "/teams/vision/give/"),
    Shot("tom", "grant", "/teams/vision/", ("a[href*='/grants/']",)),
    Shot("tom", "grant-review", "/teams/vision/review/"),
    Shot("tom", "open-review", "/teams/vision/review/open/"),
    Shot("olga", "grant-review", "/teams/speech/review/"),
    Shot("root", "grant-review", "/teams/vision/review/"),
    Shot("tom", "evidence", "/teams/vision/review/", ("caption + thead + tbody a[href*='/review/']",)),
    Shot("tom", "request", "/teams/vision/", ("a[href*='/requests/']",)),
    Shot("tom", "rules", "/teams/vision/rules/"),
    Shot("root", "quota", "/teams/vision/quota/"),
    Shot("nina", "access", "/access/"),
    Shot("vera", "access", "/access/"),
    Shot("ada", "access", "/access/"),
    Shot("root", "projects", "/projects/"),
    Shot("root", "project", "/projects/", ("table a.name",)),
    Shot("root", "project-connect", "/projects/new/"),
    Shot(
        "root",
        "project-pick",
        "/projects/new/?region=cn-southwest-2",
        (*KEY, "#find-projects", "[name=picked]:enabled"),
    ),
    Shot("root", "project-pick-none", "/projects/new/?region=cn-north-4", (*KEY, "#find-projects")),
    Shot("root", "people", "/people/"),
    Shot("root", "appoint", "/people/appoint/"),
    Shot("root", "dismiss", "/people/", ("a[href$='/end/']",)),
    Shot("root", "add-team", "/people/teams/"),
    Shot("root", "correct", "/people/", ("a[href$='/correct/']",)),
    Shot("root", "activity", "/people/", ("a[href$='/activity/']",)),
    Shot("ada", "security", "/accounts/security/"),
    Shot("ada", "add-app", "/accounts/security/app/"),
    Shot("ada", "add-passkey", "/accounts/security/passkey/"),
    Shot("ada", "password", "/accounts/security/password/"),
    Shot("ada", "confirm", "/accounts/confirm/"),
    Shot("ada", "token-new", "/access/tokens/new/"),
    Shot("tom", "revoke", "/teams/vision/", ("a[href*='/grants/']", "a[href*='/revoke/']")),
    Shot("root", "project-retire", "/projects/", ("table a.name", "a[href$='/retire/']")),
    Shot("olga", "reports", "/audit/reports/"),
    Shot("olga", "report", "/audit/reports/", ("table a[href*='/reports/']",)),
)


@contextmanager
def demo() -> Iterator[tuple[str, str, str]]:
    """A demo of its own, begun anew: its address, its simulator's, and its people's password."""
    data, port, simulator_port = OUT / "demo", free_port(), free_port()
    password = secrets.token_urlsafe(9)
    env = (
        os.environ
        | {
            "DATA_DIR": str(data),
            "PORT": str(port),
            "SIMULATOR_PORT": str(simulator_port),
            "DEMO_PASSWORD": password,
            "MESSAGE_HOSTS": "feishu=127.0.0.1:9,dingtalk=127.0.0.1:9,wecom=127.0.0.1:9,slack=127.0.0.1:9",  # nobody
        }
    )
    with (OUT / "demo.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo"], cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(process, f"{base}/healthz")
        yield base, f"http://127.0.0.1:{simulator_port}/_simulator", password
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    """Until something answers there, for some minutes at most."""
    for _ in range(1200):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    raise SystemExit(f"The demo did not start: {OUT / 'demo.log'} says why.")


def simulate(simulator: str, what: str, **wish: Any) -> Any:
    """Add to what the simulator has of this; without a wish, what it has."""
    data, headers = json.dumps(wish).encode() if wish else None, {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{simulator}/{what}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Camera:
    """Signs people in, once each, and takes their pages."""

    def __init__(self, browser: Browser, base: str, simulator: str, password: str) -> None:
        self.browser, self.base, self.password = browser, base, password
        self.simulator = simulator.removesuffix("/_simulator")
        self.sessions: dict[str, Any] = {}
        self.troubles: list[str] = []
        self.taken = 0

    def window(self, person: str, **options: Any) -> Page:
        """A new browser's first page, signed in as this person (nobody: empty)."""
        if person and person not in self.sessions:
            page = self.browser.new_context(base_url=self.base).new_page()
            page.goto("/accounts/login/")
            page.locator("input[name=username]:visible").fill(person)
            page.locator("input[name=password]:visible").fill(self.password)
            page.locator("input[name=password]:visible").press("Enter")
            expect(page.locator(".account")).to_have_count(1)
            self.sessions[person] = page.context.storage_state()
            page.context.close()
        context = self.browser.new_context(
            base_url=self.base,
            storage_state=self.sessions.get(person),
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(10_000)
        return context.new_page()

    def create(self, name: str) -> None:
        """As ada does it."""
        page = self.window("ada")
        page.goto(f"/clusters/new/?name={name}")
        page.get_by_role("button", name="Create cluster").click()
        page.wait_for_url("**/creations/*/")
        expect(page.locator("#creation")).to_have_attribute("data-state", "unknown")
        page.context.close()

    def take(self, shots: list[Shot]) -> None:
        """Every variant of these pages."""
        for person in dict.fromkeys(shot.person for shot in shots):
            theirs = [shot for shot in shots if shot.person == person]
            for lang, locale in LOCALES.items():
                page = self.window(person, locale=locale)
                page.on("console", self._said)
                page.on("pageerror", lambda error: self.troubles.append(str(error)))
                for shot in theirs:
                    self._take(page, shot, lang)
                page.context.close()

    def _said(self, message: Any) -> None:
        if message.type == "error" and "status of 40" not in message.text:
            self.troubles.append(message.text)

    def _take(self, page: Page, shot: Shot, lang: str) -> None:
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.goto(shot.path)
        for each in shot.follow:
            selector, text = (each, "") if isinstance(each, str) else each
            step = page.locator(selector).first
            if text:
                step.fill(text.format(simulator=self.simulator))
            elif address := step.get_attribute("href"):
                page.goto(address)
            else:
                step.click()  # opens a part of the page
        page.wait_for_load_state("networkidle")
        for width, scheme in product(WIDTHS, SCHEMES):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            name = f"{shot.person or 'nobody'}-{shot.name}-{lang}-{scheme}-{width}"
            page.screenshot(path=OUT / f"{name}.png", full_page=True)
            self.taken += 1
            if wide := page.evaluate("document.documentElement.scrollWidth") - width > 0:
                self.troubles.append(f"{name} scrolls sideways: {wide}")
            if name in README_S:
                shutil.copy(OUT / f"{name}.png", ROOT / "docs" / "pictures" / README_S[name])


def main(parts: list[str]) -> None:
    expect.set_options(timeout=30_000)  # a busy machine takes its time
    shots = [
        shot for shot in SHOTS if not parts or any(part in f"{shot.person}-{shot.name}" for part in parts)
    ]
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    with demo() as (base, simulator, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        camera = Camera(browser, base, simulator, password)
        simulate(simulator, "faults", fault="lost_request", call="create", name="lost-answer")
        simulate(simulator, "faults", fault="lost_answer", call="create", name="two-of-a-name")
        camera.create("lost-answer")
        camera.create("two-of-a-name")
        known = simulate(simulator, "clusters")["clusters"]
        vision = next(each["project_id"] for each in known if each["name"] == "train-a3-west")
        simulate(simulator, "clusters", project_id=vision, name="two-of-a-name")
        camera.take(shots)
        browser.close()
    shutil.rmtree(OUT / "demo")
    print(f"{camera.taken} pictures are in {OUT.relative_to(ROOT)}.")
    if camera.troubles:
        raise SystemExit("\n".join(camera.troubles))


if __name__ == "__main__":
    main(sys.argv[1:])
