"""The OrderNumber that an order has at e-Courier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.order_number import order_number

LEAST = 20  # the prefix, a dot, 16 characters

near = st.text("Aa1.-_ ", min_size=0, max_size=3) | st.text(max_size=40) | st.text("A", max_size=40)
limits = st.integers(LEAST, 60)


@pytest.mark.parametrize("order_id", ["1", "SO-1000001", "a.b_c-d", "9" * 27])
def test_a_plain_id_stays_readable(order_id: str) -> None:
    assert order_number(order_id, "OR-", 30) == f"OR-{order_id}"


@pytest.mark.parametrize(
    ("order_id", "number"),
    [
        ("9" * 28, "OR-.EHLPXGJOMNEIXUTJLRTN3XNC7U"),
        ("a/b", "OR-.YFGN3QBT6ZFZ32UA5JTVZ4UAUA"),
        ("", "OR-.4OYMIQUY7QOBJGX36TEJS35ZEQ"),
    ],
)
def test_the_hash_of_any_other_id_never_changes(order_id: str, number: str) -> None:
    assert order_number(order_id, "OR-", 30) == number


@given(near, near, limits)
def test_different_ids_have_different_numbers(one: str, other: str, most: int) -> None:
    assert (order_number(one, "OR-", most) == order_number(other, "OR-", most)) == (one == other)


@given(st.text(max_size=40), limits)
def test_no_id_equals_the_hash_of_another(order_id: str, most: int) -> None:
    number = order_number(order_id, "OR-", most)
    assert order_number(number.removeprefix("OR-"), "OR-", most) != number or number == f"OR-{order_id}"


@given(st.text(max_size=300), limits)
def test_a_number_is_short_and_ascii_and_never_one_of_e_couriers_own(order_id: str, most: int) -> None:
    number = order_number(order_id, "OR-", most)
    assert len(number) <= most
    assert number.isascii()
    assert number.isprintable()
    assert " " not in number
    assert not number.isdecimal()


@pytest.mark.parametrize("prefix", ["", "1", "-", "O R", "Ü-", "O.R"])
def test_a_prefix_needs_a_letter_to_avoid_e_couriers_own_numbers(prefix: str) -> None:
    with pytest.raises(ValidationError):
        EcourierOptions(order_number_prefix=prefix)


def test_order_number_max_leaves_room_for_a_hash() -> None:
    assert EcourierOptions(order_number_max=LEAST).order_number_max == LEAST
    with pytest.raises(ValidationError, match="must be at least 20"):
        EcourierOptions(order_number_max=LEAST - 1)
    with pytest.raises(ValidationError, match="must be at least 25"):
        EcourierOptions(order_number_max=24, order_number_prefix="PREFIX-X")
    with pytest.raises(ValidationError, match="must be at least 47"):
        EcourierOptions(order_number_prefix="P" * 30)
