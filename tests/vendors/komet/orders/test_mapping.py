"""An order of ours as Komet's web order: each limit of its pages, by the field's path in our event."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.komet_shop import line, order
from workers.vendors._shared.limits import LimitError
from workers.vendors.komet.orders.mapping import WebOrder, reference, web_order
from workers.vendors.komet.orders.options import ProductIdIs


def mapped(
    *lines: Any, product_id_is: ProductIdIs = "inventory_id", locations: Sequence[str] = (), **attributes: Any
) -> WebOrder:
    event = order("A-1", *lines, **attributes)
    return web_order(event.content["order"], product_id_is, locations)


def test_a_line_is_an_item_with_the_orders_fields_unless_it_has_its_own() -> None:
    lines = (line("7001", 2, 1250), line("7002", 1, markCode="VIP", carrierId="9", color="red"))
    made = mapped(*lines, carrierId="8", date="2026-12-01", inventoryOrigin="1", companyLocationId="3", gift="yes")
    assert made.location == "3"
    shared = {"date": "2026-12-01", "inventoryOrigin": 1, "price": 12.5}
    assert [dict(item.body) for item in made.items] == [
        {**shared, "carrierId": 8, "inventoryIds": "7001", "quantity": 2},
        {**shared, "carrierId": 9, "markCode": "VIP", "inventoryIds": "7002", "quantity": 1},
    ]


@pytest.mark.parametrize(
    ("product_id_is", "field"),
    [("inventory_id", "inventoryIds"), ("product_code", "productCode"), ("company_product_id", "companyProductId")],
)
def test_the_product_id_goes_into_the_field_that_the_option_names(product_id_is: ProductIdIs, field: str) -> None:
    assert mapped(line("7001"), product_id_is=product_id_is).items[0].body[field] == "7001"


@pytest.mark.parametrize(
    ("lines", "attributes", "path"),
    [
        ([line("7001,7002")], {}, "lines[0].product_id"),
        ([line("ROSE")], {}, "lines[0].product_id"),
        ([line(), line(boxes=0)], {}, "lines[1].quantity"),
        ([line() | {"unit_price": (125_001).to_bytes(3, "big")}], {}, "lines[0].unit_price"),
        ([line(cents=-1)], {}, "lines[0].unit_price"),
        ([line(cents=10_000_000_000)], {}, "lines[0].unit_price"),
        ([line(date="tomorrow")], {}, "lines[0].attributes.date"),
        ([line()], {"inventoryOrigin": "5"}, "attributes.inventoryOrigin"),
        ([line()], {"shipToId": "x"}, "attributes.shipToId"),
        ([line()], {"markCode": "x" * 21}, "attributes.markCode"),
        ([line()], {"reservedInventory": "maybe"}, "attributes.reservedInventory"),
    ],
)
def test_a_broken_limit_is_named_by_its_field(lines: list[Any], attributes: dict[str, Any], path: str) -> None:
    with pytest.raises(LimitError) as found:
        mapped(*lines, **attributes)
    assert found.value.field == path


def test_a_seller_with_several_locations_needs_one_named_and_a_single_one_goes_without_saying() -> None:
    assert mapped(line(), locations=["3"]).location == "3"
    with pytest.raises(LimitError, match="companyLocationId is needed"):
        mapped(line(), locations=["3", "4"])
    assert mapped(line(), locations=["3", "4"], companyLocationId="4").location == "4"


def test_an_order_without_lines_is_none_for_komet() -> None:
    with pytest.raises(LimitError, match="at least one"):
        web_order({**order().content["order"], "lines": []}, "inventory_id", ())


def test_the_reference_is_the_order_id_where_komet_can_keep_it_and_differs_for_different_orders() -> None:
    assert reference("SO 10/01") == "SO 10/01"
    odd = [".A", " A", "A ", "x" * 51, "ł", "", "\ud800"]
    hashed = [reference(each) for each in odd]
    assert len(set(hashed)) == len(odd)
    assert all(each.startswith(".") and len(each) <= 50 for each in hashed)


def test_the_hash_changes_with_what_komet_would_get_and_with_nothing_else() -> None:
    assert mapped(line()).hash == mapped(line(color="red"), gift="yes").hash
    assert len({mapped(line(**given)).hash for given in ({}, {"boxes": 3}, {"cents": 1}, {"product": "1"})}) == 4
