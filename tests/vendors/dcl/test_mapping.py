"""The sample answer of DCL's page, field by field, as the events that subscribers read."""

from base64 import b85decode
from collections import Counter
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest

from tests.vendors.dcl.answers import answer
from tests.vendors.dcl.vendor_model import dcl, respond
from workers.core.poll.change import StageChange, VendorOrder, stage_event
from workers.core.poll.cursor import first_cursor
from workers.core.poll.last_published import change_of
from workers.core.poll.shard_state import ShardState
from workers.core.poll.time_range import TimeRange
from workers.edges.avro.codec import Codec
from workers.edges.avro.event_json import to_json
from workers.edges.avro.schema_files import load
from workers.vendors.contract import Reading
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions

HERE: Final = Path(__file__).parent
SAMPLE: Final = (HERE / "page_sample.json").read_bytes()
TEST02, TEST03 = orjson.loads(SAMPLE)["orders"]
STAGES: Final = load(HERE.parents[2] / "schemas")["order-stage-changed"]
CODEC: Final = Codec({STAGES.name: STAGES}, lambda: 0.0)
DAY: Final = TimeRange(1_416_873_600_000, 1_416_960_000_000)  # 2014-11-25, UTC
NOW: Final = DAY.end_ms


def event(change: StageChange) -> dict[str, Any]:
    """The JSON of the event as a subscriber reads it."""
    read = CODEC.decode_any(STAGES.name, CODEC.encode(STAGES.name, stage_event("dcl", change)))
    return to_json(STAGES.today.tree, read)


def created(row: dict[str, Any], **options: Any) -> dict[str, Any]:
    return event(StageChange("created", 1, order(row, **options), None, (), NOW))


def order(row: dict[str, Any], **options: Any) -> VendorOrder:
    return vendor_order(row, None, DclOptions(**options), Counter())


def changed(before: dict[str, Any], after: dict[str, Any], **options: Any) -> dict[str, Any] | None:
    """The event of a change from one row to another; None: no event."""
    first = change_of(None, order(before, **options), fields=FIELDS, first_op="created", now_ms=NOW)
    assert first is not None
    second = change_of(first[1], order(after, **options), fields=FIELDS, first_op="created", now_ms=NOW)
    return None if second is None else event(second[0])


TEST02_EVENT: Final = {
    "op": "created",
    "vendor": "dcl",
    "account": "10501",
    "order_number": "TEST02",
    "order_id": "TEST02",
    "stage": "60",
    "stage_code": 60,
    "stage_description": "Fully Shipped",
    "progress": "delivered",
    "back_ordered": False,
    "on_hold": False,
    "proof_of_delivery": None,
    "previous": None,
    "changed": [],
    "shipments": [
        {
            "shipment_id": "5721085",
            "carrier": "UPS",
            "service": "GROUND",
            "shipped_on": "2014-11-25",
            "packages": [
                {
                    "carton_id": "DCLL017306",
                    "tracking_number": "1Z05R2W10381474503",
                    "delivery_status": "Delivered",
                    "delivered_at": "2014-11-28T11:05:22",
                    "items": [
                        {
                            "item_number": "1002-002-DEMO2",
                            "description": "Product For Demo 2",
                            "line_number": 1,
                            "quantity": "5.00",
                            "serial_numbers": ["123456789", "123456798", "123456897", "123457896", "123467895"],
                            "lots": [
                                {"lot_number": "ABC123", "quantity": "2.00"},
                                {"lot_number": "DEF456", "quantity": "3.00"},
                            ],
                        }
                    ],
                },
                {
                    "carton_id": "DCLL017307",
                    "tracking_number": "1Z05R2W10381474504",
                    "delivery_status": "Delivered",
                    "delivered_at": "2014-11-28T11:05:23",
                    "items": [
                        {
                            "item_number": "ITEM-001",
                            "description": "Demo product 1",
                            "line_number": 2001,
                            "quantity": "2.00",
                            "serial_numbers": ["ABC112", "ABC113"],
                            "lots": [],
                        },
                        {
                            "item_number": "ITEM-002",
                            "description": "Demo product 2",
                            "line_number": 2002,
                            "quantity": "4.00",
                            "serial_numbers": ["233456789", "233456798", "233456897", "233457896"],
                            "lots": [],
                        },
                    ],
                },
            ],
            "reference": "1Z05R2W10381474503",
            "return_tracking_number": None,
            "freight_charge": "7.35",
        }
    ],
    "sequence": 1,
    "vendor_modified_at": "2014-11-25T17:01:28.000Z",
    "observed_at": "2014-11-26T00:00:00.000Z",
    "raw": None,
}


def test_the_samples_first_order_becomes_this_event() -> None:
    reading = respond(dcl(9).window(0, DAY, NOW), httpx.Response(200, content=SAMPLE))
    assert isinstance(reading, Reading)
    assert not reading.notes
    told = event(StageChange("created", 1, reading.orders[0], None, (), NOW))
    assert told == TEST02_EVENT | {"event_id": told["event_id"]}


def test_the_samples_second_order_is_received_and_back_ordered() -> None:
    told = created(TEST03)
    assert (told["stage"], told["stage_description"], told["progress"]) == ("10", "Order Received", "received")
    assert (told["back_ordered"], told["on_hold"], told["shipments"]) == (True, False, [])


@pytest.mark.parametrize(
    ("change", "field", "told", "progress"),
    [
        ({"is_back_order": False}, "back_ordered", False, "received"),
        ({"is_back_order": None}, "back_ordered", None, "received"),
        ({"order_status": 0}, "on_hold", True, "on_hold"),
        ({"order_status": 2}, "on_hold", False, "received"),
        ({"order_status": None}, "on_hold", None, "received"),
        ({"order_stage": 4}, "on_hold", True, "on_hold"),
        ({"order_stage": 50, "order_status": 0}, "on_hold", True, "partially_shipped"),
    ],
)
def test_back_order_and_hold_are_told(change: dict[str, Any], field: str, told: Any, progress: str) -> None:
    """Before, their flips made events that differed in nothing but `changed`."""
    after = created(TEST03 | change)
    assert (after[field], after["progress"]) == (told, progress)


def test_a_hold_that_begins_is_an_event_with_the_progress_before() -> None:
    told = changed(TEST03, TEST03 | {"order_status": 0})
    assert told is not None
    assert (told["changed"], told["on_hold"], told["progress"]) == (["order_status"], True, "on_hold")
    assert told["previous"]["progress"] == "received"


def edited(*path: Any, to: Any) -> dict[str, Any]:
    """The sample's first order with one value of its shipment changed."""
    row: dict[str, Any] = deepcopy(TEST02)
    inner: Any = row["shipments"][0]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return row


ITEM: Final = ("packages", 0, "shipped_items", 0)


@pytest.mark.parametrize(
    "row",
    [
        edited(*ITEM, "serial_numbers", to=["123456789"]),
        edited(*ITEM, "quantity", to=4),
        edited(*ITEM, "lot_details", 0, "quantity", to=1),
        edited(*ITEM, "lot_numbers", to=["ABC123", "DEF456", "GHI789"]),
        edited("rs_tracking_number", to="RS1"),
        edited("reference1", to="R1"),
        edited("total_charge", to=7.36),
    ],
)
def test_what_an_event_holds_of_a_shipment_is_compared(row: dict[str, Any]) -> None:
    told = changed(TEST02, row)
    assert told is not None
    assert told["changed"] == ["shipments"]
    assert told["shipments"] != created(TEST02)["shipments"]


def test_without_items_a_serial_number_is_neither_told_nor_compared() -> None:
    assert [one["items"] for one in created(TEST02, items=False)["shipments"][0]["packages"]] == [[], []]
    assert changed(TEST02, edited(*ITEM, "serial_numbers", to=None), items=False) is None
    assert changed(TEST02, edited("rs_tracking_number", to="RS1"), items=False) is not None


@pytest.mark.parametrize(
    "row",
    [
        edited(*ITEM, "serial_numbers", to=["123467895", "123457896", "123456897", "123456798", "123456789"]),
        edited(*ITEM, "lot_numbers", to=None),
        edited(*ITEM, "quantity", to=5.0),
        edited(*ITEM, "quantity", to="5.000000"),
        edited("total_charge", to="7.350"),
        edited("rs_tracking_number", to=None),
        edited("total_weight", to=9),
    ],
)
def test_the_same_content_in_another_form_or_sequence_is_no_change(row: dict[str, Any]) -> None:
    assert changed(TEST02, row) is None


@pytest.mark.parametrize(
    ("quantity", "told"),
    [(2.5, "2.50"), ("3.000000", "3.00"), (0.1234567, "0.123457"), (None, None), ("many", None), (10**13, None)],
)
def test_quantities_are_exact_and_an_unreadable_one_is_left_out_alone(quantity: Any, told: str | None) -> None:
    (item,) = created(edited(*ITEM, "quantity", to=quantity))["shipments"][0]["packages"][0]["items"]
    assert item["quantity"] == (told and str(Decimal(told)))
    assert item["item_number"] == "1002-002-DEMO2"


FIRST_RELEASE: Final = {
    "10501/TEST02": b"0RR910KjGGNdW)=2s{7)00Ir48%L}313FqOK~$UWn^>hbFh+H3Y<VD4XlZb8"
    b"Wn{PS+=J3F*>UMNg#sqC9PU;408%h$%_}fy%_|Tv"
    b">RV@c@^CCyQ>)gZ3{cjh3{WehZkan33p4c6t%*Ao3o|Mex~U-K49F1Qk7*F!k7*&_+w=kj^!5S;^!5S;^!5S;^!5S;^!5S;^!5S;^!5S;"
    b"^!5S;^!5S;^!7Uy3o}%|)^|G<3p0FRa8x@L3o|<v3o|<v3o|<v3o|<v3o|<v3o|<v3o}y&<=^bN{e}",
    "10501/TEST03": b"0RR910KjGGNdW)=0SW*B00Itak>{%)!EPpn;s{{mB6c(}Fi&!1WpW@=Wn*P&"
    b"c4cI@@7#lv0K#bLH-!S>C0(IEnynZxXw55)O#J;2"
    b"FzQ=pc=B*8S5vFjq6|>hq6|=Kl68PP6$>-;(yfU*6$>*e6}qWz1DXR6-;Zfe{L3XF-`n&81@!g;1@!g;1@!g;1@!g;1@!g;1@!g;1@!g;"
    b"1@!g;1@!g;1@!hi6$>*|zt(p<6$>+bU~p7B6$>*v6$>*v6$>*v6$>*v6$>*v6$>*v6$>+fwqn{({L3W",
}
"""The rows that the first release wrote for the sample's orders."""

TODAY: Final = {
    "10501/TEST02": "b550a79e66becf0da1843c248d205291",
    "10501/TEST03": "e5ce2303959cd1118f8afc739454c65a",
}
"""The digests of this release. Another one here means that each known order is published again: see NOTES.md."""

CURSOR: Final = first_cursor(NOW, 0)


def shown_to(**options: Any) -> list[VendorOrder]:
    """The sample's orders as a poller of these options sees them: DCL leaves out fields that are not asked for."""
    asked = DclOptions(**options).asked_fields
    return [order({n: v for n, v in row.items() if not asked or n in asked}, **options) for row in (TEST02, TEST03)]


@pytest.mark.parametrize("options", [{}, {"items": False}, {"raw": True}, {"fields": ("terms",)}])
def test_an_upgrade_publishes_no_known_order_again_and_names_only_what_changes_later(options: dict[str, Any]) -> None:
    state = ShardState({key: b85decode(row) for key, row in FIRST_RELEASE.items()}, CURSOR)
    upgrade = state.step(shown_to(**options), CURSOR, fields=FIELDS, now_ms=NOW)
    assert not upgrade.changes
    state.accept(upgrade)
    assert state.step(shown_to(**options), CURSOR, fields=FIELDS, now_ms=NOW).is_empty
    moved = [order(TEST03 | {"order_stage": 20}, **options), order(edited("total_charge", to=9), **options)]
    later = state.step(moved, CURSOR, fields=FIELDS, now_ms=NOW)
    assert [(one.sequence, one.changed) for one in later.changes] == [(2, ("order_stage",)), (2, ("shipments",))]


@pytest.mark.parametrize("items", [True, False])
def test_a_change_of_the_option_publishes_no_known_order_again(items: bool) -> None:
    state = ShardState({}, CURSOR)
    for one in (items, not items, items):
        state.accept(state.step(shown_to(items=one), CURSOR, fields=FIELDS, now_ms=NOW))
    assert [row and row.sequence for row in map(state.last_published, TODAY)] == [1, 1]


def test_the_digests_of_this_release_stay() -> None:
    assert {one.key: one.digest.hex() for one in shown_to()} == TODAY


def test_a_serial_number_that_is_entered_into_an_order_without_items_is_a_change() -> None:
    """A row that was compared with items is never taken for one that was compared without."""
    bare = edited("packages", to=[{"carton_id": "C", "shipped_items": None}])
    filled = edited("packages", to=[{"carton_id": "C", "shipped_items": [{"serial_numbers": ["S1"]}]}])
    assert changed(bare, filled) is not None


def test_events_hold_no_address_name_phone_or_e_mail() -> None:
    """They are in `raw` alone, which is off unless topics.yaml asks for it."""
    told = orjson.dumps(created(TEST02))
    for personal in ("DCL Corp", "Walter", "Milmont", "5555555555", "94538"):
        assert personal.encode() in SAMPLE
        assert personal.encode() not in told
        assert personal.encode() in orjson.dumps(created(TEST02, raw=True))


@pytest.mark.parametrize("sent", [answer(), answer(orders=None), answer(status=404, orders=None)])
def test_an_empty_window_is_one_whatever_dcl_writes_for_it(sent: httpx.Response) -> None:
    """As a fault it would be asked for again without end, and no later change would be read."""
    reading = respond(dcl(9).window(0, DAY, NOW), sent)
    assert isinstance(reading, Reading)
    assert (reading.orders, reading.time_range) == ((), DAY)
