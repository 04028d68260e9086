"""The product's own settings, with one more address: see `bench.urls`."""

from hyperclusters.settings import *  # noqa: F403 -- that is what this file is for

ROOT_URLCONF = "bench.urls"
