"""E2CC's word on one order, in comparison with what was published of it last."""

from typing import Any

import pytest

from tests.vendors.e2cc.simulated import NOW_MS, Simulated, books
from workers.core.delivery.outcome import Denied, Rejected
from workers.core.poll.change import StageChange, VendorOrder, stage_event
from workers.vendors.asking import Asked, VendorWord
from workers.vendors.e2cc.ask import ask


@pytest.fixture
def e2cc() -> Simulated:
    made = Simulated(books(0))
    made.books.ship(made.books.new_order(NOW_MS))
    return made


def published(e2cc: Simulated) -> dict[str, Any]:
    [row] = e2cc.details("orders", e2cc.read("orders").rows).rows
    assert isinstance(row.item, VendorOrder)
    return stage_event("e2cc", StageChange("created", 1, row.item, None, (), NOW_MS))


def asked(e2cc: Simulated, number: str, last: dict[str, Any] | None) -> Any:
    return e2cc.run(ask(e2cc.options, e2cc.credentials, Asked("A-1", number, published=last)))


def test_the_order_as_published_differs_in_nothing(e2cc: Simulated) -> None:
    [name] = e2cc.ledger.orders()
    word = asked(e2cc, name, published(e2cc))
    assert word.says == word.last
    assert word.differing == ()
    assert "stage Open, progress processing" in word.says


def test_a_status_and_a_shipment_that_moved_on_differ(e2cc: Simulated) -> None:
    [name] = e2cc.ledger.orders()
    last = published(e2cc)
    e2cc.books.by_name[name].status = "Completed"
    e2cc.books.shipments.records[0].status = "Confirmed"
    assert asked(e2cc, name, last).differing == ("stage", "progress", "shipments")


def test_a_closed_order_of_the_first_picture_does_not_differ_in_shipments_that_were_never_read(e2cc: Simulated) -> None:
    [name] = e2cc.ledger.orders()
    e2cc.books.by_name[name].status = "Completed"
    last = published(e2cc) | {"op": "snapshot", "shipments": []}
    assert asked(e2cc, name, last).differing == ()
    assert asked(e2cc, name, last | {"op": "updated"}).differing == ("shipments",)
    assert asked(e2cc, name, last | {"progress": "processing"}).differing == ("progress", "shipments")


def test_an_order_that_is_not_there_is_missing(e2cc: Simulated) -> None:
    word = asked(e2cc, "SO999999", published(e2cc))
    assert isinstance(word, VendorWord)
    assert (word.says, word.differing) == ("has no such order", ("order",))
    assert asked(e2cc, "SO999999", None).differing == ()
    assert asked(e2cc, "SO999999", published(e2cc) | {"op": "deleted"}).differing == (), "as its deletion was published"


def test_an_order_whose_number_at_e2cc_is_not_known_is_not_asked_for(e2cc: Simulated) -> None:
    """It may never have been there, which is no difference; an id in the form of E2CC's numbers may be one."""
    for order_id, requests in (("WEB-1001", 0), ("SO999999", 1)):
        word = e2cc.run(ask(e2cc.options, e2cc.credentials, Asked(order_id, order_id)))
        assert isinstance(word, VendorWord)
        assert (word.differing, len(e2cc.asked)) == ((), requests)


def test_what_cannot_be_asked_says_why(e2cc: Simulated) -> None:
    assert isinstance(asked(e2cc, "SO 1'", None), Rejected)
    e2cc.ledger.keys.keys.clear()
    assert isinstance(asked(e2cc, "SO000001", None), Denied)
