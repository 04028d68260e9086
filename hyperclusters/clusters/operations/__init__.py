"""Takes creations and deletions from the queue to a verdict."""
