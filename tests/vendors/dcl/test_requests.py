"""The requests to DCL: what they ask for, and what is left out of an answer that holds more."""

from collections import Counter

import pytest
from pydantic import ValidationError

from tests.vendors.dcl.answers import HOUR, NOW, ROW, answer, asked
from tests.vendors.dcl.vendor_model import dcl
from workers.vendors.contract import Only
from workers.vendors.dcl.api import NEEDED
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.reading import NOT_ASKED


def test_a_window_request_has_utc_bounds_and_a_page() -> None:
    request = next(dcl(100).window(0, HOUR, NOW))
    assert str(request.url).startswith("https://api.dclcorp.com/api/v1/orders?")
    assert asked(request) == {
        "modified_from": "2014-11-26T11:06:39Z",
        "modified_to": "2014-11-26T12:06:40Z",
        "page": "1",
        "page_size": "100",
        "extended_date": "true",
        "fields": ",".join(DclOptions().asked_fields),
    }
    assert request.headers["authorization"] == "Basic ZGVtbzpkZW1vLWtleQ=="


def test_each_account_has_its_own_requests() -> None:
    request = next(dcl(accounts=("10501", "10502")).window(1, HOUR, NOW))
    assert asked(request)["filter"] == 'account_number eq "10502"'


def test_addresses_are_asked_for_only_with_raw_and_what_events_are_made_of_always() -> None:
    """Whatever is left out is no change, and is named in no event."""
    names = DclOptions().asked_fields
    assert not {"shipping_address", "billing_address"} & set(names)
    assert {"shipments", "modified_at", "order_lines"} <= set(names)
    few = DclOptions(fields=("terms",), order_id_from="custom_field3")
    assert few.asked_fields == (*NEEDED, "custom_field3", "terms")
    assert vendor_order(ROW, None, few, Counter()).unread >= {"shipping_address", "po_number"}
    for whole in (DclOptions(raw=True), DclOptions(fields="all")):
        assert (whole.asked_fields, whole.unread) == ((), frozenset())
    assert "fields" not in asked(next(dcl(raw=True).window(0, HOUR, NOW)))


def test_a_query_with_the_most_order_numbers_stays_short() -> None:
    """ASP.NET refuses a query of more than 2,048 characters."""
    for options in ({}, {"raw": True}):
        poller = dcl(100, **options)
        keys = [f"10501/{n:02}#{'x' * 22}" for n in range(poller.max_keys)]
        assert 40 < len(keys) <= 50
        assert len(next(poller.by_key(0, keys)).url.query) < 2_048


def test_a_configured_filter_and_account_apply_together() -> None:
    request = next(dcl(accounts=("10501",), filter='order_type eq "REST"').window(0, HOUR, NOW, Only(open=True)))
    assert asked(request)["filter"] == 'account_number eq "10501", order_type eq "REST", order_stage lt 60'


@pytest.mark.parametrize("text", ["order_stage < 60", 'terms eq "x"', 'po_number eq "a"b"', "order_stage lt 60,"])
def test_a_filter_that_is_not_of_dcls_page_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="conditions of DCL's page"):
        DclOptions(filter=text)


def test_orders_with_a_shipment_since_a_day_are_read_by_dcls_clock() -> None:
    """And nothing else, should DCL not apply the parameter: else old orders would be published."""
    night = 1_416_902_400_000  # 2014-11-25T08:00:00Z, midnight in California
    flow = dcl(9).window(0, HOUR, NOW, Only(shipped_since_ms=night - 1000))
    assert asked(next(flow))["shipped_from"] == "2014-11-24"
    before = ROW | {"order_number": "OLD", "shipments": [{"ship_date": "2014-11-23T23:00:00"}]}
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW, before, ROW | {"order_number": "NONE", "shipments": None}))
    assert [order.order_number for order in end.value.value.orders] == ["TEST02"]
    assert end.value.value.notes == {NOT_ASKED: 2}
