"""What E2CC's answers mean: an array is rows, everything else is a fault."""

import httpx
import pytest

from tests.vendors.e2cc.account import answer
from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors.e2cc.outcome import error_text, rows_of

PAGE = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>Please sign in</html>")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer({"error": "x"}, 401), Denied),
        (answer({"error": "x"}, 403), Denied),
        (answer({"error": "x"}, 404), Denied),
        (httpx.Response(302, headers={"location": "/login"}), Denied),
        (httpx.Response(429, headers={"retry-after": "3"}), Throttled),
        (answer({"error": "Failed to fetch orders"}, 500), Unavailable),
        (answer({"error": "Failed to fetch orders"}), Unavailable),
        (answer({"data": []}), Unavailable),
        (answer([1]), Unavailable),
        (answer(None), Unavailable),
        (httpx.Response(200), Unavailable),
        (PAGE, Unavailable),
        (answer([], 201), Unavailable),
    ],
)
def test_what_is_no_array_is_a_fault(given: httpx.Response, kind: type) -> None:
    assert isinstance(rows_of(given, "k"), kind)


def test_an_array_is_rows() -> None:
    assert rows_of(answer([{"orderNbr": "1"}]), "k") == [{"orderNbr": "1"}]
    assert rows_of(answer([]), "k") == []


def test_an_error_says_what_e2cc_says_without_what_is_hidden() -> None:
    assert error_text(answer({"error": "Key abc is unknown"}, 404), ("abc",)) == "HTTP 404: Key *** is unknown"
    assert error_text(httpx.Response(502, content=b"<html>")) == "HTTP 502 with an HTML page"
