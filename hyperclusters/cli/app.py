"""The command itself: what it offers, and how it ends."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from . import config, read_commands, write_commands
from .client import Client
from .errors import ExitCode, Failure
from .output import discard_output, emit, emit_fields, emit_json, progress, when
from .write_commands import AsJson

app = typer.Typer(
    name="hyperclusters",
    help="Create, watch and delete hyper clusters, and read the audit. Start with: hyperclusters login",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 usage, 3 outcome unknown or waiting for a decision, "
    "4 not permitted, 5 server unreachable.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def login(
    url: Annotated[
        str,
        typer.Option(help="The server, such as https://clusters.example.com.", envvar="HYPERCLUSTERS_URL"),
    ] = "",
) -> None:
    """Store the server and an API token for later commands.

    Asks for the token, or reads it from stdin where nobody can be asked. Create one on the page My access.
    """
    if sys.stdin.isatty():
        url = url or typer.prompt("Server", err=True)
        token = typer.prompt("API token", hide_input=True, err=True)
    elif url:
        token = sys.stdin.readline()
    else:
        raise typer.BadParameter("needed where nobody can be asked", param_hint="--url")
    new_config = config.valid_config(url, token)
    with Client(new_config) as client:
        me = client.get("/me")
    progress(f"Stored in {config.store(new_config)}.")
    emit(f"Signed in as {me['username']}.")


def whoami(as_json: AsJson = False) -> None:
    """Show who you are to the server, your roles, and what the token may do."""
    current = config.load()
    with Client(current) as client:
        me = client.get("/me")
    if as_json:
        emit_json(me)
        return
    token = me["token"]
    roles = (
        f"{grant['role']} ({grant['team'] or 'whole site'})"
        + (f" until {when(grant['until'])}" if grant["until"] else "")
        for grant in me["grants"]
    )
    emit_fields(
        [
            ("Server", current.url),
            ("User", me["username"]),
            ("Name", me["full_name"]),
            ("Roles", ", ".join(roles) or "none"),
            ("Token", token["name"]),
            ("Scopes", ", ".join(token["scopes"])),
            ("Only in team", token["team"]),
            ("Token ends", when(token["expires_at"])),
        ]
    )


COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("login", login, "hyperclusters login --url https://clusters.example.com"),
    ("whoami", whoami, "hyperclusters whoami"),
    ("create", write_commands.create, "hyperclusters create train-a3 --project vision-cn-southwest-2 --wait"),
    ("list", read_commands.list_clusters, "hyperclusters list --team vision --type HPS"),
    ("show", read_commands.show, "hyperclusters show train-a3 --json"),
    ("delete", write_commands.delete, "hyperclusters delete train-a3 --confirm-name train-a3 --wait"),
    ("creations", read_commands.creations, "hyperclusters creations --state needs_attention"),
    ("audit", read_commands.audit, "hyperclusters audit --person ada --range 24h --follow"),
    ("export", read_commands.export, "hyperclusters export --since 2026-11-01 > audit.jsonl"),
    ("grants", read_commands.grants, "hyperclusters grants vision"),
)
for _name, _command, _example in COMMANDS:
    app.command(_name, epilog=f"Example: {_example}")(_command)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the process's own; its exit code."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode still gets every line
            stream.reconfigure(errors="replace" if stream is sys.stdin else "backslashreplace")
    try:
        _run(sys.argv[1:] if args is None else args)
    except Failure as failure:
        progress(f"Error: {failure}")
        return failure.code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    return ExitCode.DONE


def _run(args: Sequence[str]) -> None:
    """Raises SystemExit or Failure, and nothing else for whatever the server answers."""
    if any("\ud800" <= character <= "\udfff" for text in args for character in text):
        raise Failure("The arguments are not text in UTF-8.", ExitCode.USAGE)
    try:
        app(list(args))
    except OSError as error:
        discard_output()
        raise Failure(f"{error.strerror or error}.") from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # The API's document says what answers look like, so their parts are not checked one by one.
        message = "The server's answer is not what this client expects"
        raise Failure(f"{message} ({type(error).__name__}: {error}). Is it the right address?") from None
