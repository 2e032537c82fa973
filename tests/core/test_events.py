"""Money keeps every digit on its way into JSON."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.events import money_text

LARGEST = 10**18 - 1  # decimal(18,4)


def avro(unscaled: int) -> bytes:
    return unscaled.to_bytes(max(1, (unscaled.bit_length() + 8) // 8), "big", signed=True)


@given(unscaled=st.integers(-LARGEST, LARGEST), padding=st.integers(0, 4))
def test_the_text_is_exact_over_the_whole_range(unscaled: int, padding: int) -> None:
    """As a JSON number of two to four places, however many bytes the publisher wrote."""
    sign = b"\xff" if unscaled < 0 else b"\x00"
    text = money_text(sign * padding + avro(unscaled))
    assert Decimal(text) == Decimal(unscaled).scaleb(-4)
    assert re.fullmatch(r"-?(0|[1-9]\d*)\.\d{2}(\d?[1-9])?", text)


@pytest.mark.parametrize(
    ("unscaled", "text"),
    [
        (1_500_000, "150.00"),
        (1_234, "0.1234"),
        (-1, "-0.0001"),
        (-12_500, "-1.25"),
        (10_010, "1.001"),
        (0, "0.00"),
        (LARGEST, "99999999999999.9999"),
        (-LARGEST, "-99999999999999.9999"),
    ],
)
def test_two_places_at_least_and_four_at_most(unscaled: int, text: str) -> None:
    assert money_text(avro(unscaled)) == text


def test_no_bytes_are_zero() -> None:
    assert money_text(b"") == "0.00"
