"""`python -m hyperclusters.simulator`: serve the simulated ModelArts until told to stop."""

import argparse
import os
import signal
import sqlite3
import sys
from pathlib import Path

from .simulator import DEFAULT_ACCESS_KEY, DEFAULT_SECRET_KEY, Simulator

HIGHEST_PORT = 65535
BAD_START = 2
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def port_number(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not (text.isascii() and text.isdigit()) or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {HIGHEST_PORT}")
    return int(text)


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    environ = os.environ
    parser = argparse.ArgumentParser(
        prog="simulator",
        usage=argparse.SUPPRESS,  # so that an error is one line
        description="A faithful local ModelArts for the demo and for tests.",
        epilog="The environment variables SIMULATOR_AK and SIMULATOR_SK are the key that it accepts.",
    )
    parser.add_argument("--port", type=port_number, default=environ.get("SIMULATOR_PORT") or "9000")
    parser.add_argument(
        "--data", type=Path, help="folder of the store; without it, one that ends with this process"
    )
    options = parser.parse_args(arguments)
    # Blocked in every thread and waited for in this one: a handler would only run once the main thread wakes,
    # and a signal that the system hands to another thread does not wake it.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    # Not arguments: everybody on the machine can read command lines.
    key = environ.get("SIMULATOR_AK") or DEFAULT_ACCESS_KEY
    secret = environ.get("SIMULATOR_SK") or DEFAULT_SECRET_KEY
    try:
        simulator = Simulator.start(options.data, port=options.port, access_key=key, secret_key=secret)
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"simulator: cannot serve on {options.port}, store {options.data}: {error}\n")
        return BAD_START
    with simulator:
        address = simulator.endpoint
        sys.stdout.write(
            f"simulator: ModelArts on {address}, store {simulator.data}, help {address}/_simulator/\n"
        )
        sys.stdout.flush()
        signal.sigwait(STOP_SIGNALS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
