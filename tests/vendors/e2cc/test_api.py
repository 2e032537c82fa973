"""E2CC's rows: what is no change is normalised before anything is compared."""

from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.vendors.e2cc.api import clean_row, clean_text, day, instant, money, quantity, text_of

EASTERN = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("  Open   ", "Open"),
        ("123 Sample Ave\r\nSample City, NY&nbsp;12983\r\nUS  ", "123 Sample Ave\nSample City, NY 12983\nUS"),
        ("Tom &amp; Jerry&#39;s", "Tom & Jerry's"),
        ("a\rb", "a\nb"),
        ("a \u00a0 b", "a b"),
        ("\r\n", ""),
    ],
)
def test_padding_entities_and_line_breaks_are_normalised(sent: str, read: str) -> None:
    assert clean_text(sent) == read


@given(st.text(), st.text(" \t\u00a0", max_size=3))
def test_padding_changes_nothing(text: str, blanks: str) -> None:
    assert clean_text(blanks + text + blanks) == clean_text(text)


@pytest.mark.parametrize("value", ["3.000000", "3", 3, 3.0, " 3.0 ", "+3"])
def test_one_number_is_one_text(value: object) -> None:
    assert clean_row({"orderQty": value}) == {"orderQty": "3"}


def test_numbers_that_are_names_keep_their_zeros() -> None:
    assert clean_row({"orderNbr": " 057142 ", "customerOrder": "0012"}) == {
        "orderNbr": "057142",
        "customerOrder": "0012",
    }


@pytest.mark.parametrize("value", ["", "n/a", "1e999999999", "NaN", None, True, "9" * 60])
def test_what_is_no_number_stays(value: object) -> None:
    assert clean_row({"amount": value})["amount"] == value


def test_addresses_and_payment_links_are_read_nowhere() -> None:
    row = {
        "locationAddress": "x",
        "payLink": "https://pay.example.com/?pid=1",
        "PayLink": "y",
        "custom": {"address1": "z"},
    }
    assert clean_row(row) == {"custom": {}}


def test_decimals_are_exact_and_unreadable_ones_are_counted() -> None:
    notes: Counter[str] = Counter()
    row = clean_row({"amount": "-1313621.4000", "detailQty": "4.000001", "balance": "much"})
    assert int.from_bytes(money(row, "amount", notes) or b"", "big", signed=True) == -13_136_214_000
    assert int.from_bytes(quantity(row, "detailQty", notes) or b"", "big") == 4_000_001
    assert money(row, "balance", notes) is None
    assert notes == {"unreadable_fields": 1}


def test_times_without_an_offset_are_on_e2ccs_clock() -> None:
    notes: Counter[str] = Counter()
    row = {"createdDateTime": "2025-12-09T00:30:26.617", "Date_Opened": "2026-01-12T15:12:01.000Z", "date": "soon"}
    created = instant(row, "createdDateTime", EASTERN, notes)
    opened = instant(row, "Date_Opened", EASTERN, notes)
    assert created
    assert created.earlier_ms == 1_765_258_226_617
    assert opened
    assert opened.earlier_ms == opened.later_ms == 1_768_230_721_000
    assert instant(row, "date", EASTERN, notes) is None
    assert instant(row, "shipDate", EASTERN, notes) is None
    assert notes == {"unreadable_fields": 1}


def test_a_day_is_a_date() -> None:
    assert [day({"date": value}, "date") for value in ("2026-06-24T00:00:00", "", None)] == ["2026-06-24", None, None]


def test_a_number_is_a_text_and_null_is_empty() -> None:
    assert [text_of({"id": value}, "id") for value in (49579, None, [1])] == ["49579", "", ""]
