"""`relay order --ask-vendors` at Komet: one harmless read, compared with what was published."""

import httpx
import pytest

from tests.vendors.komet.poll.asked_komet import AskedKomet
from workers.core.delivery.outcome import Denied, Throttled
from workers.core.poll.change import StageChange, VendorOrder, stage_event
from workers.devkit.simulators.komet.seller import CONFIRMED, PENDING
from workers.vendors.asking import NO_ORDER, Asked, VendorWord
from workers.vendors.komet.ask import ask


@pytest.fixture
def komet() -> AskedKomet:
    return AskedKomet()


def published(komet: AskedKomet) -> Asked:
    """The web order as the poller has published it."""
    (row,) = komet.rows("web_orders")
    assert isinstance(row.item, VendorOrder)
    event = stage_event("komet", StageChange("created", 1, row.item, None, (), 0))
    komet.requests.clear()
    return Asked("A-1", row.item.order_number, published=event)


def word(komet: AskedKomet, asked: Asked) -> VendorWord:
    found = komet.run(ask(None, komet.account, asked))
    assert isinstance(found, VendorWord)
    return found


def test_the_same_stage_is_no_difference_and_another_one_is_named(komet: AskedKomet) -> None:
    invoice = komet.seller.open(status=PENDING)
    asked = published(komet)
    assert word(komet, asked).differing == ()
    komet.seller.change(invoice, status=CONFIRMED)
    changed = word(komet, asked)
    assert changed.differing == ("stage", "progress")
    assert changed.says == "stage 1 (Confirmed), progress processing"
    assert [dict(one.url.params).get("order") for one in komet.requests] == [str(invoice.number)] * 2


def test_a_published_order_that_komet_has_no_more_is_a_difference(komet: AskedKomet) -> None:
    komet.seller.open()
    asked = published(komet)
    komet.seller.invoices.clear()
    assert word(komet, asked) == VendorWord(NO_ORDER, "stage 2", ("order",))


def test_no_answer_is_said_to_be_none(komet: AskedKomet) -> None:
    spent = komet.run(ask(None, komet.account, Asked("A-1", "1")), lambda _: httpx.Response(429))
    assert isinstance(spent, Throttled)
    komet.account["TOKEN"] = ""
    assert isinstance(komet.run(ask(None, komet.account, Asked("A-1", "1"))), Denied)
