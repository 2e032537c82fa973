"""Reading orders in all the forms that e-Courier may send."""

from typing import Any

import httpx
import orjson
import pytest

from workers.core.delivery.outcome import Unavailable, Unknown
from workers.vendors.ecourier.api import EcourierOrder, body_of, members, plain, vendor_name
from workers.vendors.ecourier.existing_order import existing_order
from workers.vendors.ecourier.outcome import outcome_of
from workers.vendors.ecourier.session import login_refusal, new_token

WHOLE: dict[str, Any] = {
    "@UserGUID": "{4D46E5B7-7866-4B17-98C4-9A7A33856981}",
    "@OrderNumber": "2073",
    "@OrderStatus": "N",
    "@New": "kept",
    "Pieces": {"Piece": [{"@Sequence": "1", "@Pieces": "1"}, {"@Sequence": "2", "@Pieces": "5"}]},
    "Customer": {"@CustomerID": 65, "@CustomerCode": "Alpha"},
}


def order_of(**fields: Any) -> EcourierOrder:
    found = existing_order(httpx.Response(200, json={"Order": fields}))
    assert found is not None
    return found.order


def test_what_is_read_of_an_order_and_all_its_fields() -> None:
    found = existing_order(httpx.Response(200, json={"Order": WHOLE}))
    assert found is not None
    assert (found.order.order_number, found.order.order_status, found.customer_code) == ("2073", "N", "Alpha")
    assert found.fields["New"] == "kept"
    assert [piece["Pieces"] for piece in members(found.fields["Pieces"], "Piece")] == ["1", "5"]


WRAPPED = [b'{"d":%b}', b'{"d":{"d":%b}}', b'{"SaveOrderResult":%b}', b'\xef\xbb\xbf \r\n{"d": %b}']


@pytest.mark.parametrize("wrapped", WRAPPED, ids=range(len(WRAPPED)))
@pytest.mark.parametrize("as_text", [0, 1, 2])
def test_an_answer_is_unwrapped(wrapped: bytes, as_text: int) -> None:
    """ASP.NET answers an object, or a text that holds the JSON."""
    body = orjson.dumps({"@status": "0", "d": 1})
    for _ in range(as_text):
        body = orjson.dumps(body.decode())
    assert body_of(httpx.Response(200, content=wrapped % body)) == {"status": "0", "d": 1}


@pytest.mark.parametrize("body", [{"d": None}, {"d": ""}, {"d": []}, {"d": {}}, {"d": "done"}, {"d": 0}, {"d": "{"}])
def test_a_wrapper_around_nothing_is_no_success(body: Any) -> None:
    response = httpx.Response(200, json=body)
    assert isinstance(outcome_of(response, "save", []), Unknown)
    assert existing_order(response) is None
    assert new_token(response) is None


XML = '<?xml version="1.0" encoding="utf-8"?>\r\n<string xmlns="http://tempuri.org/">%s</string>'


@pytest.mark.parametrize("inner", ['{"status":"0"}', "{&quot;status&quot;:&quot;0&quot;}"])
def test_xml_around_json_is_named_and_is_no_success(inner: str) -> None:
    response = httpx.Response(200, headers={"content-type": "text/xml; charset=utf-8"}, text=XML % inner)
    saved, found, login = (
        outcome_of(response, "save", []),
        outcome_of(response, "find", []),
        login_refusal(response, ()),
    )
    for outcome, kind in ((saved, Unknown), (found, Unavailable), (login, Unavailable)):
        assert isinstance(outcome, kind)
        assert "the answer is XML around JSON" in outcome.reason


def test_the_live_token_is_dropped() -> None:
    found = existing_order(httpx.Response(200, json={"Order": WHOLE}))
    assert "4D46E5B7" not in repr(found)


def test_attributes_are_read_with_and_without_the_sign() -> None:
    assert plain({"@A": 1, "B": [{"@C": 2}], "@P": "count", "P": {}}) == {
        "A": 1,
        "B": [{"C": 2}],
        "@P": "count",
        "P": {},
    }


@pytest.mark.parametrize(
    ("collection", "count"),
    [(None, 0), ("", 0), ({}, 0), ({"Piece": None}, 0), ({"Piece": {}}, 1), ({"Piece": [{}, {}, "x"]}, 2), ([{}], 1)],
)
def test_a_collection_may_be_a_list_a_single_object_or_empty(collection: Any, count: int) -> None:
    assert len(members(collection, "Piece")) == count


@pytest.mark.parametrize("value", ["many", "", None, [], {"@nil": "true"}, True, 1.5])
def test_one_bad_field_hides_no_order(value: Any) -> None:
    odd = order_of(OrderNumber="1", Service=value, Customer=value)
    assert (odd.order_number, odd.customer) == ("1", None if not isinstance(value, dict) else odd.customer)
    assert (order_of(Service=7, Auth=True).service, order_of(Service=7, Auth=True).auth) == ("7", "true")


def test_fields_have_the_vendors_names() -> None:
    assert [vendor_name(each) for each in ("order_event_id", "edi_note")] == ["OrderEventID", "EdiNote"]
