"""A set's rows: each change once, parts that touch their whole, and deletions only from readings that agree."""

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from workers.core.poll.change import Stage, StageChange, VendorOrder, digest
from workers.core.poll.cursor import Cursor
from workers.core.poll.item_change import ItemChange
from workers.core.poll.sets.book import AGREEING_MANY, SetBook
from workers.core.poll.sets.kept_details import pack_details, with_details
from workers.core.poll.sets.known_row import KnownRow, unpack_known_row
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_item import INVOICE, RETURN, VendorItem
from workers.core.poll.vendor_set import SetReading, SetRow, VendorSet

NOW = 1_790_000_000_000
DAY = 86_400_000
ORDERS = VendorSet("orders", "created", 60, "OrderStageChanged", ("status", "total"), detailed_at_once=1)
SHIPMENTS = VendorSet("shipments", "created", 60, part_of="orders")


def order(
    number: str, status: str, *, total: int = 1, created_ms: int | None = NOW - DAY, order_id: str | None = None
) -> SetRow:
    content = {"status": status, "total": total}
    progress = Stage(status, None, "", "shipped" if status == "Completed" else "processing")
    item = VendorOrder(number, progress, digest(content), content, order_id=order_id)
    return SetRow(f"/{number}", digest(content), item, is_open=status != "Completed", created_ms=created_ms)


def shipment(number: str, about: str, status: str) -> SetRow:
    return SetRow(number, digest(status), about=f"/{about}", is_open=status == "Open", created_ms=NOW)


@dataclass
class Life:
    """The poller of two sets, after its first picture unless a test says otherwise."""

    state: ShardState = field(default_factory=ShardState)
    cursor: Cursor = field(default_factory=lambda: Cursor(NOW, NOW - DAY, looked_ms=0, swept_ms=NOW))

    def __post_init__(self) -> None:
        self.orders, self.shipments = SetBook(ORDERS, self.state), SetBook(SHIPMENTS, self.state)
        for one in (ORDERS, SHIPMENTS):
            self.state.accept(Step(self.cursor, set_name=one.name))

    def shown(self, book: SetBook, *rows: SetRow, touches: Counter[str] | None = None) -> list[tuple[str, str]]:
        """Publish an answer; returns (op, order number) of its events."""
        changed = book.changed(SetReading(rows, TimeRange(0, NOW)))
        own = self.state.sets[book.vendor_set.name]
        seen = Counter(own.touches) if touches is None else touches
        step = book.step(changed, self.cursor, NOW, done=TimeRange(0, NOW), touches=seen)
        return self.written(book, step)

    def written(self, book: SetBook, step: Step) -> list[tuple[str, str]]:
        self.state.accept(step)
        book.accept(step)
        changes = [change for row in step.rows for change in row.changes]
        return [(one.op, _number(one)) for one in changes]

    def pass_without(self, book: SetBook, *keys: str) -> list[tuple[str, str]]:
        """A complete reading that lacks these rows."""
        rows = [key for key in book.known_keys() if key not in keys]
        book.begin()
        book.changed(SetReading(tuple(SetRow(key, b"") for key in rows)))
        return self.written(book, book.deletions(book.missing(book.known_keys()), self.cursor, NOW))


def _number(change: StageChange | ItemChange) -> str:
    assert isinstance(change, StageChange)
    return change.order.order_number


@pytest.fixture
def life() -> Life:
    return Life()


def test_a_row_is_published_when_it_is_new_and_when_it_has_changed(life: Life) -> None:
    assert life.shown(life.orders, order("SO1", "Open", created_ms=NOW)) == [("created", "SO1")]
    assert life.shown(life.orders, order("SO1", "Open", created_ms=NOW)) == []
    assert life.shown(life.orders, order("SO1", "Completed", created_ms=NOW)) == [("updated", "SO1")]


def test_a_row_that_was_there_before_the_poller_is_a_snapshot(life: Life) -> None:
    assert life.shown(life.orders, order("SO1", "Open", created_ms=NOW - 2 * DAY)) == [("snapshot", "SO1")]
    first = Life(cursor=Cursor(NOW, NOW - DAY, looked_ms=0, swept_ms=NOW, open_from_ms=0))
    assert first.shown(first.orders, order("SO1", "Open", created_ms=NOW)) == [("snapshot", "SO1")]
    assert first.orders.wants_details(order("SO1", "Open"))
    assert not first.orders.wants_details(order("SO2", "Completed")), "of a first picture only open rows are worth it"


def test_a_changed_part_publishes_nothing_and_has_its_whole_read_again(life: Life) -> None:
    life.shown(life.orders, order("SO1", "Completed"))
    assert not life.orders.times()[0].is_wanted
    assert life.shown(life.shipments, shipment("SH1", "SO1", "Open")) == []
    assert life.orders.times()[0].is_wanted
    assert [row.key for row in life.orders.changed(SetReading((order("SO1", "Completed"),)))] == ["/SO1"]
    assert life.shown(life.orders, order("SO1", "Completed")) == [], "the details show nothing new"
    assert not life.orders.times()[0].is_wanted


def test_the_first_picture_of_parts_has_open_wholes_read_again(life: Life) -> None:
    """A part may have changed after the details of its whole were read, and before it was seen for the first time."""
    life.shown(life.orders, order("SO1", "Open"), order("SO2", "Completed"))
    first = Cursor(NOW, NOW - DAY, looked_ms=0, swept_ms=NOW, open_from_ms=0)
    life.state.accept(Step(first, set_name=SHIPMENTS.name))
    life.shown(life.shipments, shipment("SH1", "SO1", "Open"), shipment("SH2", "SO2", "Completed"))
    known = {key: life.state.sets["orders"].known(key) for key in ("/SO1", "/SO2")}
    assert {key: row.is_touched for key, row in known.items() if row} == {"/SO1": True, "/SO2": False}


def test_a_part_that_changes_while_its_whole_is_read_has_it_read_once_more(life: Life) -> None:
    life.shown(life.orders, order("SO1", "Open"))
    before = Counter(life.state.sets["orders"].touches)
    life.shown(life.shipments, shipment("SH1", "SO1", "Open"))
    life.shown(life.orders, order("SO1", "Completed"), touches=before)
    assert life.orders.times()[0].is_wanted


def test_a_part_of_an_unknown_row_and_a_part_that_is_gone(life: Life) -> None:
    assert life.shown(life.shipments, shipment("SH1", "SO1", "Open")) == []
    life.shown(life.orders, order("SO1", "Completed"))
    assert not life.orders.times()[0].is_wanted
    for _ in range(2):
        life.pass_without(life.shipments, "SH1")
    assert life.shipments.known_keys() == []
    assert life.orders.times()[0].is_wanted


def test_a_row_that_two_complete_readings_lack_is_deleted_once(life: Life) -> None:
    life.shown(life.orders, order("SO1", "Open"), order("SO2", "Completed"))
    assert life.pass_without(life.orders, "/SO1") == []
    assert life.pass_without(life.orders, "/SO1") == [("deleted", "SO1")]
    assert life.pass_without(life.orders, "/SO1") == []
    assert life.shown(life.orders, order("SO1", "Open")) == [("updated", "SO1")], "it came back"


@pytest.mark.parametrize(
    ("order_id", "told"), [("WEB-1", "WEB-1"), ("ö" * 127, "ö" * 127), ("ö" * 128, None), (None, None)]
)
def test_the_event_of_a_deletion_has_the_order_id_that_was_published_last(
    life: Life, order_id: str | None, told: str | None
) -> None:
    """A subscriber who knows the order by our id learns that it is gone. A text too long to be kept is not cut."""
    life.shown(life.orders, order("SO1", "Open", order_id="WEB-0"))
    life.shown(life.orders, order("SO1", "Hold", order_id=order_id))
    (row,) = life.orders.deletions(["/SO1"], life.cursor, NOW).rows
    (change,) = row.changes
    assert isinstance(change, StageChange)
    assert (change.op, change.order.order_id, change.previous) == (
        "deleted",
        told,
        Stage("Hold", None, "", "processing"),
    )


def test_a_row_that_is_shown_between_two_readings_without_it_is_not_deleted(life: Life) -> None:
    life.shown(life.orders, order("SO1", "Open"))
    for missing in (["/SO1"], [], ["/SO1"]):
        assert life.pass_without(life.orders, *missing) == []


def test_much_of_a_set_that_is_missing_at_once_is_not_believed_for_a_while(life: Life) -> None:
    keys = [f"/SO{number}" for number in range(20)]
    life.shown(life.orders, *(order(key[1:], "Open") for key in keys))
    for _ in range(AGREEING_MANY - 1):
        assert life.pass_without(life.orders, *keys) == []
    assert len(life.pass_without(life.orders, *keys)) == 20


def test_a_row_is_forgotten_only_where_no_reading_can_show_it_again(life: Life) -> None:
    old, new = order("SO1", "Completed", created_ms=NOW - 9 * DAY), order("SO2", "Completed")
    life.shown(life.orders, old, new, order("SO3", "Open", created_ms=NOW - 9 * DAY))
    life.orders.begin()
    assert list(life.orders.forgettable(NOW + 2 * DAY, DAY, NOW - 5 * DAY)) == ["/SO1"]
    assert list(life.orders.forgettable(NOW, DAY, NOW - 5 * DAY)) == []
    life.written(life.orders, life.orders.forgotten(["/SO1"], life.cursor))
    assert sorted(life.orders.known_keys()) == ["/SO2", "/SO3"]


def test_a_rows_openness_is_remembered_though_nothing_is_published(life: Life) -> None:
    row = order("SO1", "Open")
    life.shown(life.orders, row)
    closed = SetRow(row.key, row.digest, row.item, is_open=False, created_ms=row.created_ms)
    assert life.written(life.orders, life.orders.adopted(SetReading((closed,)), life.cursor)) == []
    assert not life.orders.times()[0].is_wanted
    assert life.orders.adopted(SetReading((closed,)), life.cursor).rows == []


def test_a_row_that_is_cut_short_or_of_another_release_is_refused() -> None:
    with pytest.raises(ValueError, match="cut short"):
        unpack_known_row(b"short")
    with pytest.raises(ValueError, match="another release"):
        unpack_known_row(bytes(100))


@pytest.mark.parametrize("details", [b"", b"packed details"])
def test_a_row_is_packed_with_the_details_that_it_keeps(details: bytes) -> None:
    row = KnownRow(b"d" * 16, TimeRange(NOW, NOW + 1000), is_open=True, order_id="A-1", published=b"p", details=details)
    assert unpack_known_row(row.pack()) == row


def test_kept_details_are_those_of_the_last_event() -> None:
    """Decimals are bytes, which JSON does not have."""
    lines = [{"quantity": b"\x0f", "description": None}]
    listed = VendorItem(INVOICE, {"invoice_number": "1"}, b"", {}, unread=frozenset({"lines"}))
    detailed = VendorItem(INVOICE, {"invoice_number": "1", "lines": lines}, b"", {})
    told = with_details(listed, pack_details(detailed))
    assert isinstance(told, VendorItem)
    assert told.content == detailed.content


def test_a_row_whose_details_were_told_and_are_not_kept_is_not_published_without_them(life: Life) -> None:
    """It was at rest, so that they were not kept; it is asked for again with each beat."""
    life.shown(life.orders, order("SO1", "Completed"))
    changed = order("SO1", "Completed", total=2)
    assert isinstance(changed.item, VendorOrder)
    listed = replace(changed, item=replace(changed.item, unread=frozenset({"total"})))
    assert life.orders.given_up(listed) is None
    assert life.written(life.orders, life.orders.withheld(["/SO1"], life.cursor)) == []
    assert life.orders.times()[0].is_wanted
    assert life.orders.withheld(["/SO1"], life.cursor).rows == [], "written once"


def test_an_open_row_of_a_set_of_updates_is_forgotten_too() -> None:
    """Its openness has nothing read again, and no reading tells that it is gone."""
    invoices = VendorSet("invoices", "updated", 60, "OrderStageChanged", ("status", "total"), tells_deletions=False)
    state = ShardState()
    book, cursor = SetBook(invoices, state), Cursor(NOW, NOW - DAY, looked_ms=0, swept_ms=NOW)
    state.accept(Step(cursor, set_name="invoices"))
    reading = SetReading((order("SO1", "Open"),))
    state.accept(book.step(book.changed(reading), cursor, NOW, done=None, touches=Counter()))
    book.begin()
    assert list(book.forgettable(NOW + 2 * DAY, DAY, 0)) == ["/SO1"]


@pytest.mark.parametrize(("number", "order_id"), [("SO1", "A-1"), ("SO2", None), (None, None)])
def test_a_return_has_our_id_of_the_order_that_it_names(life: Life, number: str | None, order_id: str | None) -> None:
    life.shown(life.orders, order("SO1", "Open", order_id="A-1"))
    book = SetBook(VendorSet("returns", "whole", 60, "ReturnChanged", ("id",), orders_in="orders"), life.state)
    life.state.accept(Step(life.cursor, set_name="returns"))
    row = SetRow("R1", b"", VendorItem(RETURN, {"return_id": "R1", "order_number": number}, b"", {}))
    (update,) = book.step([row], life.cursor, NOW, done=None, touches=Counter()).rows
    (change,) = update.changes
    assert isinstance(change, ItemChange)
    assert change.item.content.get("order_id") == order_id
