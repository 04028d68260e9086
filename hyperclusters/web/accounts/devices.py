"""What a browser says it is, in words that its owner knows it by. Nothing is decided by it."""

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
PORTABLE = {"Android", "iPhone", "iPad"}


def device_name(agent: str) -> tuple[str, str]:
    """Its name, such as `Firefox · Linux`, or what it says of itself; and its icon."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    name = " · ".join(part for part in (browser, system) if part) or agent[:80]
    return name, "smartphone" if system in PORTABLE else "monitor"
