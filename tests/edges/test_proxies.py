"""Proxy variables and NO_PROXY, read as curl reads them."""

import base64

import httpx
import pytest

from workers.edges.proxies import Proxy, ProxyError, is_excepted, proxy_for

PROXY = "http://proxy.example:3128"
VENDOR, CLEAR = "https://api.vendor.example/v1", "http://api.vendor.example/v1"

CHOICES: list[tuple[str, dict[str, str], str | None]] = [
    (VENDOR, {}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY}, PROXY),
    (VENDOR, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
    (VENDOR, {"https_proxy": "", "HTTPS_PROXY": PROXY}, PROXY),
    (VENDOR, {"ALL_PROXY": PROXY}, PROXY),
    (VENDOR, {"all_proxy": PROXY, "ALL_PROXY": "http://other:1"}, PROXY),
    (VENDOR, {"http_proxy": PROXY}, None),
    (CLEAR, {"http_proxy": PROXY}, PROXY),
    (CLEAR, {"HTTP_PROXY": PROXY}, None),  # curl: a CGI server sets it from a client's header
    (CLEAR, {"HTTPS_PROXY": PROXY}, None),
    (CLEAR, {"ALL_PROXY": PROXY}, PROXY),
    (VENDOR, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
    (VENDOR, {"HTTPS_PROXY": "HTTP://Proxy.Example:3128/"}, PROXY),
    (VENDOR, {"HTTPS_PROXY": "http://proxy.example"}, "http://proxy.example:80"),
    (VENDOR, {"HTTPS_PROXY": "https://proxy.example"}, "https://proxy.example:443"),
    (VENDOR, {"HTTPS_PROXY": "http://[::1]:3128"}, "http://[::1]:3128"),
    (VENDOR, {"HTTPS_PROXY": PROXY, "NO_PROXY": "vendor.example"}, None),
    (VENDOR, {"HTTPS_PROXY": PROXY, "no_proxy": "vendor.example", "NO_PROXY": "x"}, None),
    (VENDOR, {"ALL_PROXY": "socks5://127.0.0.1:1080", "NO_PROXY": "*"}, None),
]


@pytest.mark.parametrize(("url", "environ", "proxy"), CHOICES)
def test_variables_choose_the_proxy(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(httpx.URL(url), environ) == (None if proxy is None else Proxy(proxy))


EXCEPTIONS = [
    # host (and port), NO_PROXY, excepted
    ("api.vendor.example", "", False),
    ("api.vendor.example", "*", True),
    ("api.vendor.example", "other, *", True),
    ("api.vendor.example", "api.vendor.example", True),
    ("api.vendor.example", "API.Vendor.Example", True),
    ("api.vendor.example", "vendor.example", True),
    ("api.vendor.example", ".vendor.example", True),
    ("api.vendor.example", "*.vendor.example", True),
    ("api.vendor.example", "vendor.example.", True),
    ("vendor.example", ".vendor.example", True),
    ("api.vendor.example", "endor.example", False),
    ("api.vendor.example", "api.vendor", False),
    ("api.vendor.example", "one.example two.example,vendor.example", True),
    ("api.vendor.example", "vendor.example:443", True),
    ("api.vendor.example", "vendor.example:8443", False),
    ("api.vendor.example:8443", "vendor.example:8443", True),
    ("api.vendor.example", ",, . :443", False),
    ("10.1.2.3", "10.0.0.0/8", True),
    ("11.1.2.3", "10.0.0.0/8", False),
    ("10.1.2.3", "10.1.2.3/8", True),
    ("10.1.2.3", "10.1.2.3", True),
    ("10.1.2.3", "10.1.2.3:443", True),
    ("10.1.2.3", "10.1.2.3:80", False),
    ("10.1.2.3", "10.0.0.0/99 nonsense/8", False),
    ("10.1.2.3", "2.3", False),
    ("[fd00::1]", "fd00::/8", True),
    ("[fd00::1]", "fd00::1", True),
    ("[fd00::1]", "[fd00::1]", True),
    ("[fd00::1]", "[fd00::1]:443", True),
    ("[fd00::1]", "[fd00::1]:80", False),
    ("[fd00::1]", "10.0.0.0/8", False),
    ("127.0.0.1", "localhost", False),  # names are compared, not resolved
]


@pytest.mark.parametrize(("host", "no_proxy", "excepted"), EXCEPTIONS)
def test_no_proxy_excepts_names_addresses_and_networks(host: str, no_proxy: str, *, excepted: bool) -> None:
    assert is_excepted(httpx.URL(f"https://{host}/"), no_proxy) is excepted


def test_user_name_and_password_are_kept_apart_from_the_address() -> None:
    proxy = proxy_for(httpx.URL(VENDOR), {"HTTPS_PROXY": "http://us%40er:p%3Aw%C3%BC@proxy.example:3128"})
    assert proxy is not None
    assert proxy.authorization == "Basic " + base64.b64encode("us@er:p:wü".encode()).decode()
    assert proxy.url == PROXY
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("socks5://u:canary@127.0.0.1:1080", "names a proxy of socks5; only http:// and https://"),
        ("socks5h://127.0.0.1", "socks5h"),
        ("http://u:can#ary@proxy:80", "not an address"),
        ("http://proxy:port", "not an address"),
        ("http://proxy:99999", "not an address"),
        ("http://[::1", "not an address"),
        ("http://", "names no host"),
    ],
)
def test_proxy_that_cannot_be_used_is_an_error_without_its_value(text: str, words: str) -> None:
    with pytest.raises(ProxyError, match=words) as caught:
        proxy_for(httpx.URL(VENDOR), {"HTTPS_PROXY": text})
    assert caught.value.variable == "HTTPS_PROXY"
    assert "canary" not in str(caught.value)
