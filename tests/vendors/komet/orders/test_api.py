"""What a web order at Komet holds, compared with what it should hold."""

from typing import Any

import pytest

from tests.support.komet_shop import line, order
from workers.vendors.komet.orders.api import missing_items, row_of
from workers.vendors.komet.orders.mapping import web_order

WANTED = web_order(order("A-1", line("1", 2), line("1", 3), line("2", 1)).content["order"], "inventory_id", ())


def item(product: Any, boxes: Any) -> dict[str, Any]:
    return {"id": 9, "inventoryId": product, "quantity": boxes}


def missing(*items: Any) -> list[tuple[str, int]] | None:
    found = missing_items(row_of({"id": 5, "statusId": "1", "items": list(items)}), WANTED, "inventory_id")
    return None if found is None else [(one.product, one.boxes) for one in found]


@pytest.mark.parametrize(
    ("items", "lacks"),
    [
        ([], [("1", 2), ("1", 3), ("2", 1)]),
        ([item("1", 2)], [("1", 3), ("2", 1)]),
        ([item(1, "3.00"), item("2", 1)], [("1", 2)]),
        ([item("1", 5), item("2", 1)], []),  # Komet may add equal products up
        ([item("1", 2), item("1", 3), item("2", 1)], []),
    ],
)
def test_what_is_missing_is_named(items: list[Any], lacks: list[tuple[str, int]]) -> None:
    assert missing(*items) == lacks


@pytest.mark.parametrize(
    "items",
    [
        [item("1", 2), item("1", 2)],  # doubled
        [item("1", 4)],
        [item("3", 1)],
        [item("2", 1), item("2", 1)],
        [{"id": 9, "name": "Roses"}],
        [item("1", "many")],
    ],
)
def test_a_web_order_that_holds_more_or_something_unreadable_cannot_be_completed(
    items: list[Any],
) -> None:
    assert missing(*items) is None


def test_a_row_whose_items_are_missing_is_no_empty_one() -> None:
    assert row_of({"id": 5}).items is None
    assert row_of({"id": 5, "items": "x"}).items is None


def test_of_two_names_of_a_field_the_one_with_a_value_counts() -> None:
    row = row_of({"id": None, "webOrderId": "5", "customerPONumber": "", "customerPo": "A-1", "items": []})
    assert (row.id, row.reference, row.items) == ("5", "A-1", [])
