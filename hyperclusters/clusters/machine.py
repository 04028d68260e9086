"""The key of the machine that this process runs on, from the cloud's metadata service, kept in memory only."""

import threading
from datetime import timedelta

from django.conf import settings

from hyperclusters.audit import clock
from hyperclusters.modelarts import Credentials, MetadataError, TemporaryKey, Transport, fetch_key

from .credentials import UnusableKey

RENEW_BEFORE = timedelta(
    minutes=40
)  # the vendor's SDK fetches a new key when the old one has no longer than this to live

_lock = threading.Lock()
_keys: dict[str, TemporaryKey] = {}


def key(http: Transport) -> Credentials:
    """The machine's key, fetched again before it expires. While that fails, the old key is used until it expires.

    Raises UnusableKey.
    """
    endpoint = settings.METADATA_ENDPOINT
    if not endpoint:
        raise UnusableKey("METADATA_ENDPOINT is not set", cause="metadata_off")
    with _lock:
        key, now = _keys.get(endpoint), clock.now()
        if key is None or key.until - now < RENEW_BEFORE:
            key = _renew(http, endpoint, key)
            _keys[endpoint] = key
    return key.credentials


def _renew(http: Transport, endpoint: str, key: TemporaryKey | None) -> TemporaryKey:
    try:
        return fetch_key(http, endpoint)
    except MetadataError as error:
        if key is not None and key.until > clock.now():
            return key
        raise UnusableKey("the metadata service gave no key", cause=error.cause) from error


def forget() -> None:
    """Fetch the key again at the next call."""
    with _lock:
        _keys.clear()
