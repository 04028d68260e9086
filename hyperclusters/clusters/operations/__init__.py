"""How creations and deletions get from the queue to a verdict."""
