"""Retry-After, JSON bodies, and messages on one line."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.vendors._shared.answers import NotJsonError, json_body, json_or_none, one_line, retry_after

NOW = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("99999999999999999999", 1e20),
        ("9" * 400, None),
        ("-1", None),
        ("+1", None),
        ("soon", None),
        ("", None),
        ("1e3", None),
        ("٣", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun Nov 22 12:00:30 2026", None),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_a_date_or_nothing(value: str, seconds: float | None) -> None:
    headers = [(b"Date", NOW.encode()), (b"Retry-After", value.encode())]
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


def test_a_retry_after_date_without_a_date_header_is_ignored() -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": NOW})) is None
    assert retry_after(httpx.Response(429)) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_header_raises(value: bytes, date: bytes) -> None:
    wait = retry_after(httpx.Response(429, headers=[(b"Retry-After", value), (b"Date", date)]))
    assert wait is None or 0 <= wait < float("inf")


def test_a_body_is_json_or_empty_or_an_error() -> None:
    assert json_body(httpx.Response(200, content=b'{"a":1}')) == {"a": 1}
    assert json_body(httpx.Response(200, content=b" \r\n")) is None
    with pytest.raises(NotJsonError, match="HTTP 200 with text/html, not JSON"):
        json_body(httpx.Response(200, content=b"<p>", headers={"content-type": "text/html"}))


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"a":1}', {"a": 1}),
        (b"[]", []),
        (b"0", 0),
        (b"false", False),
        (b"null", None),
        (b"", None),
        (b" \r\n", None),
        (b"<p>", None),
        (b'{"a":', None),
        (b"[" * 100_000, None),
    ],
)
def test_a_body_that_may_be_anything_is_json_or_none(content: bytes, body: object) -> None:
    assert json_or_none(httpx.Response(500, content=content)) == body


def test_half_a_character_does_not_make_a_body_unreadable() -> None:
    """A text cut at a column's width may end in the first half of an emoji."""
    body = b'{"note": "ok \\ud83d\\ude00 \\uD83D", "next": "\\\\ud83d"}'
    assert json_body(httpx.Response(200, content=body)) == {"note": "ok \U0001f600 ?", "next": "\\ud83d"}
    for broken in (b'{"note": "\\ud83d', b'{"note": "\\ud83d", "x": NaN}', b'["\\ud83d"' + b"[" * 100_000):
        with pytest.raises(NotJsonError):
            json_body(httpx.Response(200, content=broken))


def test_a_number_that_no_double_holds_is_null_and_a_byte_that_is_no_utf_8_is_replaced() -> None:
    """One order's value must not make the answer about all others unreadable."""
    body = b'{"a": 1e400, "b": -1' + b"0" * 400 + b', "c": 18446744073709551616, "d": -7, "e": 1.5, "f": "caf\xe9"}'
    assert json_body(httpx.Response(200, content=body)) == {
        "a": None, "b": None, "c": 2.0**64, "d": -7, "e": 1.5, "f": "caf\ufffd"
    }  # fmt: skip


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert one_line(" a\n\tb ") == "a b"
    assert len(one_line("x" * 9999)) == 500
