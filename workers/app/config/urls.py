"""Addresses that secrets are sent to: https, or a host that the secret never leaves the machine for."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from workers.app.config.errors import Fault


def url_fault(place: str, url: str, *, allow_http: bool) -> Fault | None:
    """Why a secret may not be sent to ``url``, or None; the message never holds the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return Fault(place, "not a URL; wanted: https://HOST[:PORT][/PATH]")
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(one.isspace() for one in url):
        return Fault(place, "not a URL; wanted: https://HOST[:PORT][/PATH]")
    if parts.username is not None or parts.password is not None:
        return Fault(place, "must not hold a user or password; give them in their own variables")
    if parts.query or parts.fragment:
        return Fault(place, "must not hold a query or a fragment")
    return _scheme_fault(place, parts, allow_http=allow_http)


def _scheme_fault(place: str, parts: SplitResult, *, allow_http: bool) -> Fault | None:
    if parts.scheme == "https" or allow_http or is_loopback(parts.hostname or ""):
        return None
    return Fault(place, "must be https; to send over plain http all the same, set RELAY_ALLOW_HTTP_VENDORS=1")


def is_loopback(host: str) -> bool:
    """Whether what is sent to ``host`` stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
