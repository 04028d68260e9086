from django.apps import AppConfig


class ClustersConfig(AppConfig):
    """Projects, the inventory of hyper clusters, and creations."""

    name = "hyperclusters.clusters"
    label = "clusters"
