"""A dashboard for ModelArts hyper clusters. The version of a release is written here and nowhere else."""

__version__ = "0.2.0"
