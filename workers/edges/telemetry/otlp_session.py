"""The HTTP session that sends spans: the authorities, the strictness and the proxies of the relay's other requests."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import requests
from requests.adapters import HTTPAdapter

from workers.edges.log import log
from workers.edges.proxies import ProxyError, proxy_for
from workers.edges.tls import TRUST_HINT, tls_context


class _Adapter(HTTPAdapter):
    """An adapter is the only way to give `requests` an ``SSLContext``, and a proxy by the address."""

    def __init__(self, tls: ssl.SSLContext, environ: Mapping[str, str]) -> None:
        self._tls = tls
        self._environ = environ
        self._proxy_headers: dict[str, str] = {}
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._tls)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._tls, proxy_ssl_context=self._tls)

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002
        return self._proxy_headers

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        try:
            proxy = proxy_for(httpx.URL(str(request.url)), self._environ)
        except ProxyError as error:
            raise requests.exceptions.InvalidProxyURL(f"{error.variable} {error}") from error
        self._proxy_headers = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        proxies = {} if proxy is None else {"http": proxy.url, "https": proxy.url}
        try:
            return super().send(request, *args, **options | {"proxies": proxies})
        except requests.exceptions.SSLError as error:
            log.warning("trace_export_failed", detail=f"{error}; {TRUST_HINT}")
            raise


def otlp_session(environ: Mapping[str, str]) -> requests.Session:
    """Make the session; nothing is sent yet."""
    adapter = _Adapter(tls_context(environ), environ)
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
