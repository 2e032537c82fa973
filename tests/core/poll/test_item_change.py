"""An item that is no order: each change once, with the former values, its deletion too."""

from dataclasses import replace

import pytest

from workers.core.poll.change import digest
from workers.core.poll.item_change import (
    LastItem,
    item_change_of,
    item_deletion,
    item_event,
    item_identity,
    unpack_last_item,
)
from workers.core.poll.vendor_item import INVENTORY, INVOICE, VendorItem

FIELDS = ("status", "balance", "lines")


def invoice(status: str, balance: bytes, *, lines: str | None = None) -> VendorItem:
    state = "open" if status == "Open" else "closed"
    content = {"invoice_number": "AR-1", "status": status, "state": state, "amount": b"\x7f", "balance": balance}
    fields = {"status": status, "balance": balance.hex(), "lines": lines}
    unread = frozenset({"lines"}) if lines is None else frozenset[str]()
    return VendorItem(INVOICE, content, digest(fields), fields, unread=unread)


def published(before: LastItem | None, item: VendorItem) -> tuple[dict[str, object], LastItem]:
    """The event of the item, and its row after a restart."""
    found = item_change_of(before, item, fields=FIELDS, first_op="snapshot", now_ms=5)
    assert found is not None
    return item_event("e2cc", found[0]), unpack_last_item(found[1].pack(), item.kind)


def test_the_second_event_has_the_former_values_and_the_fields_that_differ() -> None:
    first, row = published(None, invoice("Open", b"\x7f"))
    second, _ = published(row, invoice("Closed", b"\x00", lines="one"))
    assert (first["op"], first["sequence"], first["previous"], first["changed"]) == ("snapshot", 1, None, [])
    assert (second["op"], second["sequence"], second["changed"]) == ("updated", 2, ["status", "balance"])
    assert second["previous"] == {"status": "Open", "state": "open", "amount": b"\x7f", "balance": b"\x7f"}
    assert first["event_id"] != second["event_id"]


def test_the_same_content_is_no_change() -> None:
    _, row = published(None, invoice("Open", b"\x7f"))
    assert item_change_of(row, invoice("Open", b"\x7f"), fields=FIELDS, first_op="created", now_ms=9) is None


def test_a_deletion_is_published_once_with_the_last_values() -> None:
    _, row = published(None, invoice("Open", b"\x7f"))
    found = item_deletion(row, INVOICE, 9)
    assert found is not None
    event = item_event("e2cc", found[0])
    assert (event["op"], event["invoice_number"], event["status"], event["sequence"]) == ("deleted", "AR-1", "Open", 2)
    assert item_deletion(unpack_last_item(found[1].pack(), INVOICE), INVOICE, 10) is None


def test_an_item_that_comes_back_after_its_deletion_is_a_change() -> None:
    item = invoice("Open", b"\x7f")
    _, row = published(None, item)
    deleted = item_deletion(row, INVOICE, 9)
    assert deleted is not None
    assert published(deleted[1], item)[0]["sequence"] == 3


def test_stock_is_identified_by_article_and_warehouse() -> None:
    item = VendorItem(INVENTORY, {"inventory_id": "30504", "warehouse": "MAIN"}, b"", {})
    assert item_identity(item) == "30504:MAIN"
    assert item_identity(replace(item, content={"inventory_id": "30504"})) == "30504:"


def test_a_row_that_is_cut_short_is_refused() -> None:
    with pytest.raises(ValueError, match="cut short"):
        unpack_last_item(b"short", INVOICE)
