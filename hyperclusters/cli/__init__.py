"""The `hyperclusters` command: a client of the JSON API. Needs httpx and typer; nothing else of ours, no Django."""
