"""A dashboard for ModelArts hyper clusters. The version of a release is written here and nowhere else."""

from typing import Any

__version__ = "0.2.0"


def version(_request: Any) -> dict[str, str]:
    """Context of every page."""
    return {"version": __version__}
