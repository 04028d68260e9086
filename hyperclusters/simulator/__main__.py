"""`python -m hyperclusters.simulator`: serve the simulated ModelArts until told to stop."""

import argparse
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import NoReturn

from .simulator import DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY, Simulator

DEFAULT_PORT = "9000"
HIGHEST_PORT = 65535
BAD_START = 2
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class Parser(argparse.ArgumentParser):
    """Reports errors in one sentence."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"simulator: {message}\n")
        raise SystemExit(BAD_START)


def port_number(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not (text.isascii() and text.isdigit()) or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {HIGHEST_PORT}")
    return int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; environment variables replace missing arguments."""
    environ = os.environ
    parser = Parser(prog="simulator", description="A faithful local ModelArts for the demo and for tests.")
    parser.add_argument("--port", type=port_number, default=environ.get("SIMULATOR_PORT") or DEFAULT_PORT)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--data", type=Path, help="folder of the store; without it, one that ends with this process"
    )
    parser.add_argument(
        "--access-key",
        default=environ.get("SIMULATOR_AK") or DEFAULT_ACCESS_KEY,
        metavar="ID",
        help="the access key ID; its secret is in the environment variable SIMULATOR_SK",
    )
    parser.add_argument(
        "--project",
        action="append",
        dest="projects",
        metavar="ID",
        help="a project ID the key may use; any if none",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    options = parse(arguments)
    # Blocked in every thread and waited for in this one: a handler would only run once the main thread wakes,
    # and a signal that the system hands to another thread does not wake it.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        simulator = Simulator.start(
            options.data,
            port=options.port,
            host=options.host,
            access_key=options.access_key,
            # Not an argument: everybody on the machine can read command lines.
            secret_key=os.environ.get("SIMULATOR_SK") or DEFAULT_SECRET_KEY,
            projects=options.projects,
        )
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(
            f"simulator: cannot serve on {options.host}:{options.port}, store {options.data}: {error}\n"
        )
        return BAD_START
    with simulator:
        address = f"http://{options.host}:{simulator.port}"
        sys.stdout.write(
            f"simulator: ModelArts on {address}, store {simulator.data}, help {address}/_simulator/\n"
        )
        sys.stdout.flush()
        signal.sigwait(STOP_SIGNALS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
