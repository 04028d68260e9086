"""Where the server is and which token to use: the environment, or what `hyperclusters login` stored."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from .errors import ExitCode, Failure

TOKEN = re.compile(r"[!-~]{1,255}")
HOST = re.compile(r"[^\s%]+")


@dataclass(frozen=True, slots=True)
class Config:
    """A server's address without a slash at its end, and a token for it. The token stays out of `repr`."""

    url: str
    token: str = field(repr=False)


def path() -> Path:
    """The file that `login` writes."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return folder / "hyperclusters" / "config.json"


def load() -> Config:
    """The configuration in force. A stored token is only used for the server it was stored with. Raises Failure."""
    url = os.environ.get("HYPERCLUSTERS_URL", "")
    token = os.environ.get("HYPERCLUSTERS_TOKEN", "")
    if url and token:
        return valid_config(url, token)
    file_config = _read_file()
    if file_config and token:
        return valid_config(file_config.url, token)
    if file_config and (not url or valid_config(url, file_config.token).url == file_config.url):
        return file_config
    lack = "HYPERCLUSTERS_URL" if token else "HYPERCLUSTERS_TOKEN" if url else "server and token"
    raise Failure(
        f"No {lack}. Run `hyperclusters login`, or set HYPERCLUSTERS_URL and HYPERCLUSTERS_TOKEN.",
        ExitCode.USAGE,
    )


def valid_config(url: str, token: str) -> Config:
    """A configuration that a request can be made of. Raises Failure."""
    url, token = url.strip().rstrip("/"), token.strip()
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    is_plain = not (parts.userinfo or parts.query or parts.fragment) and (parts.port or 1) < 65_536
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.host) or not is_plain:
        raise Failure("The server's address must look like https://clusters.example.com.", ExitCode.USAGE)
    if not TOKEN.fullmatch(token):
        raise Failure("This is not an API token: tokens begin with hc_.", ExitCode.USAGE)
    return Config(url, token)


def store(config: Config) -> Path:
    """Write the file, readable by its owner alone; the whole file or nothing. Raises Failure."""
    target = path()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False) as file:  # mode 0600
            json.dump({"url": config.url, "token": config.token}, file)
        Path(file.name).replace(target)
    except OSError as error:
        raise Failure(f"Cannot write {target}: {error.strerror}.") from None
    return target


def _read_file() -> Config | None:
    file = path()
    try:
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise Failure(f"Other people can read {file}. Run: chmod 600 {file}", ExitCode.USAGE)
        content = json.loads(file.read_text())
        return valid_config(str(content["url"]), str(content["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        message = f"{file} cannot be read. Run `hyperclusters login` again."
        raise Failure(message, ExitCode.USAGE) from None
