"""Whose order it is, and whether it is equal, however a site writes what it was sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from workers.vendors.ecourier.existing_order import ExistingOrder, differences, existing_order, is_ours

SENT = {
    "OrderNumber": "OR-A-1",
    "CustomerCode": "Alpha-East",
    "Service": "Route",
    "Auth": "R&D / PO 0000012345",
    "Notes": '"<ring>" & wait',
}


def found(**changes: Any) -> ExistingOrder:
    order = existing_order(httpx.Response(200, json={"Order": SENT | changes}))
    assert order is not None
    return order


@pytest.mark.parametrize(
    "changes",
    [
        {"Auth": "R&amp;D / PO 0000"},
        {"Auth": None, "Notes": ""},
        {"Auth": "another's", "Service": "Rush"},
        {"OrderNumber": "or-a-1 ", "CustomerCode": "ALPHA EAST"},
        {"OrderNumber": None, "CustomerCode": "Alpha"},
        {"CustomerCode": "", "Customer": {"CustomerCode": "Alpha&#45;East"}},
    ],
    ids=range(6),
)
def test_only_number_and_customer_tell_whose_order_it_is(changes: dict[str, Any]) -> None:
    assert is_ours(found(**changes), "OR-A-1", "Alpha-East")


@pytest.mark.parametrize("changes", [{"OrderNumber": "2073"}, {"CustomerCode": "Beta"}, {"CustomerCode": "Alpha-West"}])
def test_another_number_or_customer_is_a_strangers(changes: dict[str, Any]) -> None:
    assert not is_ours(found(**changes), "OR-A-1", "Alpha-East")


def test_escapes_are_no_difference_and_a_cut_text_is() -> None:
    """A save too many does no harm; an update that is taken for made is lost."""
    escaped = {"Auth": "r&amp;amp;d / po  0000012345", "Notes": "&quot;&lt;ring&gt;&quot; &#38; wait"}
    assert differences(found(**escaped), SENT) == []
    assert differences(found(Auth="R&D / PO 000"), SENT) == ["Auth"]


@pytest.mark.parametrize(
    ("sent", "written", "other"),
    [
        ({"PodRequired": "true"}, "True", "0"),
        ({"PodRequired": "false"}, "0", "true"),
        ({"CodAmount": "1250.50"}, "$1,250.5000", "$1,250"),
        ({"Latitude": "28.5383"}, "28.538300", "28.5"),
    ],
)
def test_other_forms_of_a_value_are_no_difference(sent: dict[str, str], written: str, other: str) -> None:
    [name] = sent
    assert differences(found(**{name: written}), sent) == []
    assert differences(found(**{name: other}), sent) == [name]
