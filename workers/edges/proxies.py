"""Which proxy leads to a vendor, by the environment variables as curl reads them. Pure: it opens no connection."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

# In curl's order. Upper-case HTTP_PROXY is left out: a CGI server makes it from a client's ``Proxy`` header.
_VARIABLES: Final = {
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    "http": ("http_proxy", "all_proxy", "ALL_PROXY"),
}
_PORTS: Final = {"http": 80, "https": 443}


class ProxyError(ValueError):
    """A proxy variable cannot be used. The message holds no value: the value may hold a password."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(message)
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, reached in clear or by TLS."""

    url: str  # scheme, host and port, without user name and password
    authorization: str | None = field(default=None, repr=False)  # value of ``Proxy-Authorization``


def proxy_for(url: httpx.URL, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for this address, or None for a direct connection; raises `ProxyError`."""
    variable = next((name for name in _VARIABLES[url.scheme] if environ.get(name)), None)
    if variable is None or is_excepted(url, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    return _parse(variable, environ[variable].strip())


def is_excepted(url: httpx.URL, no_proxy: str) -> bool:
    """Whether ``no_proxy`` lists the host: entries between commas or blanks.

    An entry is ``*``, a domain (``example.com``, ``.example.com`` and ``*.example.com`` are the domain and everything
    below it), an IP address, or a network (``10.0.0.0/8``). All but a network may have a port.
    """
    host, port = url.host.lower().rstrip("."), url.port or _PORTS[url.scheme]
    return any(
        wanted_port in (None, port) and _matches(name, host)
        for name, wanted_port in map(_host_and_port, _entries(no_proxy))
    )


def _entries(no_proxy: str) -> Iterator[str]:
    return (entry.lower() for entry in no_proxy.replace(",", " ").split())


def _host_and_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        host, port = entry, ""  # no port: a name, an IPv6 address without brackets, a network
    return host.strip("[]"), int(port) if port else None


def _matches(entry: str, host: str) -> bool:
    if entry == "*":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        domain = entry.removeprefix("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False


def _parse(variable: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ProxyError(variable, "is not an address; give http://host:port") from None
    if parts.scheme not in _PORTS:
        scheme = parts.scheme if parts.scheme.isalnum() else "an unknown scheme"
        raise ProxyError(variable, f"names a proxy of {scheme}; only http:// and https:// proxies can be used")
    if not host:
        raise ProxyError(variable, "names no host; give http://host:port")
    place = f"[{host}]" if ":" in host else host
    return Proxy(
        f"{parts.scheme}://{place}:{port or _PORTS[parts.scheme]}", _authorization(parts.username, parts.password)
    )


def _authorization(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
