"""A dashboard for ModelArts hyper clusters. The version of a release is written here and nowhere else."""

from typing import Any

__version__ = "0.2.0"


def version(_request: Any) -> dict[str, str]:
    """Context of every page. Pages have versions of rows too, under the name `version`."""
    return {"release": __version__}
