"""What of a target may be shown to everybody: an Apprise URL holds passwords, a webhook's may."""

from urllib.parse import urlsplit

WEBHOOK, APPRISE = "webhook", "apprise"


def mask(channel: str, target: str) -> str:
    """Return a target without what may be secret in it: of an Apprise URL the scheme alone, of a webhook's the host."""
    if channel == APPRISE:
        return f"{target.partition('://')[0]}://…"
    if channel == WEBHOOK:
        # What is stored was checked to be a URL.
        parts = urlsplit(target)
        return f"{parts.scheme}://{parts.hostname}/…"
    return target
