"""Reading orders in all the forms that e-Courier may send."""

from typing import Any

import httpx
import pytest

from workers.vendors.ecourier.api import EcourierOrder, members, plain, vendor_name
from workers.vendors.ecourier.existing_order import existing_order

WHOLE: dict[str, Any] = {
    "@UserGUID": "{4D46E5B7-7866-4B17-98C4-9A7A33856981}",
    "@OrderID": "2073",
    "@SiteCode": "Corporate",
    "@OrderNumber": "2073",
    "@OrderStatus": "N",
    "@CreateDate": "9/3/2020 2:43:00 AM",
    "@Pieces": "6",
    "@PodRequired": "True",
    "@AmountQuote": "40.50",
    "@New": "kept",
    "Pieces": {"Piece": [{"@Sequence": "1", "@Pieces": "1"}, {"@Sequence": "2", "@Pieces": "5"}]},
    "Stops": {"Stop": {"@Sequence": "1", "@StopType": "P", "OrderStopPieces": {"OrderStopPiece": {"@Sequence": "1"}}}},
    "Jobs": {
        "Job": {
            "@JobID": "7",
            "@JobNumber": "2073-1",
            "Drivers": {"Driver": {"@DriverCode": "D1", "@DriverBaseAmountOverride": "0"}},
            "JobStops": {
                "JobStop": [{"@JobStopStatus": "A", "JobStopPieces": {"JobStopPiece": {"@JobStopPieceID": 9}}}]
            },
        }
    },
    "OrderFees": {"OrderFee": [{"@Sequence": "1", "@FeeAmount": "15"}]},
    "OrderNotifiers": {"OrderNotify": {"@OrderNotifyID": "-2", "@StyleSheetID": "3"}},
    "OrderEvents": {"OrderEvent": {"@OrderEventID": 12, "@EventType": "POD"}},
    "Customer": {"@CustomerID": 65, "@CustomerCode": "Alpha", "@PState": "FL"},
}


def order_of(**fields: Any) -> EcourierOrder:
    found = existing_order(httpx.Response(200, json={"Order": fields}))
    assert found is not None
    return found.order


def test_the_whole_order_is_read() -> None:
    order = order_of(**WHOLE)
    assert (order.order_id, order.order_number, order.piece_count, order.amount_quote) == (2073, "2073", 6.0, 40.5)
    assert order.pod_required is True
    assert [(piece.sequence, piece.pieces) for piece in order.pieces] == [(1, 1.0), (2, 5.0)]
    assert order.stops[0].order_stop_pieces[0].sequence == 1
    job = order.jobs[0]
    assert (job.job_id, job.job_number, job.drivers[0].driver_code) == (7, "2073-1", "D1")
    assert job.drivers[0].driver_base_amount_override is False
    assert (job.job_stops[0].job_stop_status, job.job_stops[0].job_stop_pieces[0].job_stop_piece_id) == ("A", 9)
    assert order.order_fees[0].fee_amount == 15.0
    assert (order.order_notifiers[0].order_notify_id, order.order_notifiers[0].style_sheet_id) == (-2, 3)
    assert (order.order_events[0].order_event_id, order.order_events[0].event_type) == ("12", "POD")
    assert order.customer is not None
    assert (order.customer.customer_id, order.customer.p_state) == (65, "FL")
    assert order.model_extra == {"New": "kept"}


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
    odd = order_of(OrderNumber="1", OrderID=value, Weight=value, PodRequired=value, Stops=value, Customer=value)
    assert odd.order_number == "1"
    assert odd.order_id is None
    assert odd.stops == []


def test_a_count_of_pieces_is_not_taken_for_the_collection() -> None:
    order = order_of(Pieces="3", Service=7, Auth=True)
    assert (order.piece_count, order.pieces, order.service, order.auth) == (3.0, [], "7", "true")


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("scheduled_date_time_tz", "ScheduledDateTimeTZ"),
        ("avs_quality", "AVSQuality"),
        ("job_stop_piece_id", "JobStopPieceID"),
        ("fee_misc1", "FeeMisc1"),
        ("z_latitude", "ZLatitude"),
    ],
)
def test_fields_have_the_vendors_names(field: str, name: str) -> None:
    assert vendor_name(field) == name
