"""What the sink asks of Komet for an order, when all goes well, and when one thing does not."""

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from tests.support.komet_shop import Became, Relay, Step, canceled, line, order
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Throttled,
    Unavailable,
    Unknown,
)
from workers.core.delivery.tracked_order import Mark
from workers.core.events import Event
from workers.devkit.simulators.komet.web_orders import CANCELED
from workers.vendors.contract import MaybeSent
from workers.vendors.komet.orders.flows import CHECKING_OUT, CREATING, EXPIRED, NAMELESS, OPEN

DAY_MS = 86_400_000
WHOLE = ["web-order.create", "web-order-item.add", "web-order-item.add", "web-order.checkout"]
LIST, DELETE = "web-order-details.list", "web-order.delete"
STEPS = 7  # a mark, create, a mark, two items, a mark, check-out
BOUGHT = [("7001", 2), ("7002", 1)]


@pytest.fixture
def relay() -> Relay:
    return Relay()


def until_done(relay: Relay, event: Event | None = None) -> Outcome:
    """Attempts without further faults, until the order needs none."""
    for _ in range(5):
        outcome = relay.deliver(event or order())
        if not isinstance(outcome, Unknown | Unavailable):
            return outcome
    pytest.fail("it never ends")


def only(place: int, became: Callable[[Step], httpx.Response | Exception | None]) -> Became:
    return lambda count, step: became(step) if count == place else None


def answer(http: int, **body: object) -> Callable[[Step], httpx.Response]:
    return lambda _: httpx.Response(http, json=body)


def test_an_order_is_a_header_its_items_and_a_check_out_with_a_mark_before_what_must_not_be_repeated(
    relay: Relay,
) -> None:
    seen: list[Step] = []
    outcome = relay.deliver(order(), lambda _, step: seen.append(step))
    assert relay.shop.asked == WHOLE
    assert [step.stage for step in seen if isinstance(step, Mark)] == [CREATING, OPEN, CHECKING_OUT]
    assert [isinstance(step, Mark) for step in seen] == [True, False, True, False, False, True, False]
    [made] = relay.shop.orders()
    assert (made.reference, relay.shop.items()) == ("A-1", [BOUGHT])
    assert isinstance(outcome, Delivered)
    assert outcome.order_at_vendor == str(made.number)
    assert relay.rows["A-1"].stage == ""


def test_an_order_that_is_there_already_is_not_sent_again(relay: Relay) -> None:
    relay.deliver(order())
    assert relay.deliver(order(status="paid")) == Skipped("web order unchanged", supersedes=True)
    assert relay.shop.asked == WHOLE


@pytest.mark.parametrize("place", range(STEPS))
@pytest.mark.parametrize("applied", [False, True])
def test_a_lost_answer_is_looked_up_and_nothing_is_doubled(relay: Relay, place: int, *, applied: bool) -> None:
    def lose(step: Step) -> Exception | None:
        if isinstance(step, Mark):
            return None
        if applied:
            relay.shop.answer(step)
        return MaybeSent("reset")

    try:
        relay.deliver(order(), only(place, lose))
    except MaybeSent:
        sent = relay.shop.asked.copy()
        assert isinstance(until_done(relay), Delivered)
        assert relay.shop.asked[len(sent)] == LIST, "the first request after a lost answer is a look-up"
    assert relay.shop.items() == [BOUGHT]
    assert relay.shop.open == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("place", [1, 3, 4, 6])
def test_every_5xx_to_a_write_leaves_unknown_whether_it_was_applied(relay: Relay, place: int, status: int) -> None:
    def broken(step: Step) -> httpx.Response:
        assert isinstance(step, httpx.Request)
        relay.shop.answer(step)
        return httpx.Response(status, text="<html>sorry</html>", headers={"content-type": "text/html"})

    assert isinstance(relay.deliver(order(), only(place, broken)), Unknown)
    assert isinstance(until_done(relay), Delivered)
    assert relay.shop.items() == [BOUGHT]


@pytest.mark.parametrize("place", range(STEPS))
@pytest.mark.parametrize("applied", [False, True])
def test_a_crash_at_any_point_leaves_what_the_next_process_finishes(relay: Relay, place: int, *, applied: bool) -> None:
    steps = relay.steps(order())
    step = next(steps)
    for _ in range(place):
        step = steps.send(None)
    if applied and isinstance(step, httpx.Request):
        relay.shop.answer(step)
    if applied and isinstance(step, Mark):
        relay.keep("A-1", step)
    steps.close()
    assert isinstance(until_done(relay), Delivered)
    assert relay.shop.items() == [BOUGHT]
    assert relay.shop.open == []


@pytest.mark.parametrize(
    ("became", "outcome"),
    [
        (answer(429), Throttled),
        (answer(503), Unknown),
        (answer(401), Denied),
        (answer(200, status=0, message="Invalid token"), Denied),
        (answer(200, status=0, message="The daily limit of requests was reached"), Throttled),
        (answer(403, status=0, message="The daily limit of requests was reached"), Throttled),
        (answer(200, status=0, message="An error has occurred."), Unknown),
        (answer(200), Unknown),
        (answer(200, status=1), Unknown),
    ],
)
def test_what_an_answer_to_create_means(
    relay: Relay, became: Callable[[Step], httpx.Response], outcome: type[Outcome]
) -> None:
    assert isinstance(relay.deliver(order(), only(1, became)), outcome)
    assert isinstance(until_done(relay), Delivered)
    assert len(relay.shop.orders()) == 1


def test_a_refused_item_leaves_no_open_web_order_and_a_replay_makes_another(relay: Relay) -> None:
    relay.shop.faults = relay.shop.faults.changed({"bad_ids": ["7002"]})
    refused = relay.deliver(order())
    assert isinstance(refused, Rejected)
    assert "not available" in refused.detail
    assert (relay.shop.open, relay.shop.orders()) == ([], [])
    assert relay.rows["A-1"].canceled_at_ms is not None
    relay.shop.faults = relay.shop.faults.changed({"bad_ids": []})
    assert isinstance(relay.deliver(order()), Delivered)
    assert relay.shop.items() == [BOUGHT]


def test_an_open_web_order_that_is_gone_after_three_days_is_made_once_more_and_counted(relay: Relay) -> None:
    steps = relay.steps(order())
    for _ in range(5):  # up to the second item
        steps.send(None)
    steps.close()
    relay.shop.now_ms += 3 * DAY_MS
    outcome = until_done(relay)
    assert isinstance(outcome, Delivered)
    assert outcome.note == EXPIRED
    assert relay.shop.items() == [BOUGHT]


def test_a_web_order_that_may_be_checked_out_and_is_gone_is_left_to_a_person(relay: Relay) -> None:
    steps = relay.steps(order())
    for _ in range(7):  # up to the check-out
        steps.send(None)
    steps.close()
    assert relay.rows["A-1"].stage == CHECKING_OUT
    relay.shop.now_ms += 3 * DAY_MS
    outcome = relay.deliver(order())
    assert isinstance(outcome, Rejected)
    assert "may have been checked out" in outcome.detail
    assert WHOLE[0] not in relay.shop.asked[3:], "it is not made once more"


def test_an_open_web_order_that_is_gone_in_the_middle_is_made_once_more(relay: Relay) -> None:
    """A person at Komet, or Komet itself, has canceled it between two requests."""

    def gone(step: Step) -> None:
        relay.shop.ledger.web_orders.cancel(relay.shop.open[0])

    outcome = relay.deliver(order(), only(4, gone))
    assert isinstance(outcome, Delivered)
    assert relay.shop.items() == [BOUGHT]


def test_a_request_that_arrives_after_the_look_up_doubles_nothing(relay: Relay) -> None:
    late: list[httpx.Request] = []

    def lose(step: Step) -> Exception:
        assert isinstance(step, httpx.Request)
        late.append(step)
        return MaybeSent("time-out")

    with pytest.raises(MaybeSent):
        relay.deliver(order(), only(3, lose))

    def arrive(_: Step) -> None:
        relay.shop.answer(late.pop())

    assert isinstance(relay.deliver(order(), only(1, arrive)), Delivered)
    assert relay.shop.items() == [BOUGHT]
    assert relay.shop.open == []


def test_a_web_order_of_our_po_that_holds_other_items_is_a_strangers(relay: Relay) -> None:
    theirs = relay.shop.ledger.web_orders.create("A-1")
    theirs.items.append({"id": 1, "inventoryId": "9999", "quantity": 40, "price": 1.0})
    relay.keep("A-1", Mark("", stage=CREATING))
    assert isinstance(until_done(relay), Delivered)
    assert relay.shop.items() == [BOUGHT]
    assert relay.shop.open == [theirs]


def test_where_komet_keeps_no_po_it_is_counted(relay: Relay) -> None:
    relay.shop.faults = relay.shop.faults.changed({"hides_customer_po": True})
    relay.shop.ledger.web_orders.create("A-1")
    relay.keep("A-1", Mark("", stage=CREATING))
    outcome = until_done(relay)
    assert isinstance(outcome, Delivered)
    assert outcome.note == NAMELESS


def test_an_order_that_changes_before_it_is_checked_out_replaces_the_open_web_order(relay: Relay) -> None:
    steps = relay.steps(order())
    for _ in range(5):
        steps.send(None)
    steps.close()
    changed = order("A-1", line("7003", 5))
    assert isinstance(until_done(relay, changed), Delivered)
    assert relay.shop.items() == [[("7003", 5)]]
    assert relay.shop.open == []


def test_an_order_that_changes_later_is_refused_without_holding_its_cancellation_back(relay: Relay) -> None:
    relay.deliver(order())
    outcome = relay.deliver(order("A-1", line("7003", 5)))
    assert isinstance(outcome, Rejected)
    assert not outcome.blocks_following
    assert isinstance(relay.deliver(canceled()), Delivered)
    assert relay.shop.orders() == []


@pytest.mark.parametrize("place", range(STEPS + 1))
def test_a_cancellation_ends_a_web_order_however_far_it_has_come(relay: Relay, place: int) -> None:
    steps = relay.steps(order())
    try:
        step = next(steps)
        for _ in range(place):
            step = steps.send(None)
        if isinstance(step, httpx.Request):
            relay.shop.answer(step)
        steps.close()
    except StopIteration as stop:
        relay.settle("A-1", stop.value)
    outcome = relay.deliver(canceled())
    assert isinstance(outcome, Skipped if place == 0 else Delivered)
    assert (relay.shop.open, relay.shop.orders()) == ([], [])
    assert isinstance(relay.deliver(canceled()), Skipped)


def test_a_cancellation_that_komet_has_applied_already_is_found_and_one_that_it_refuses_is_parked(relay: Relay) -> None:
    relay.deliver(order())
    [made] = relay.shop.orders()
    relay.shop.faults = relay.shop.faults.changed({"locked_ids": ["A-1"]})
    refused = relay.deliver(canceled())
    assert isinstance(refused, Rejected)
    assert f"does not delete web order {made.number}" in refused.detail
    made.status = CANCELED
    assert isinstance(relay.deliver(canceled()), Delivered)


def test_an_order_that_is_placed_again_after_its_cancellation_is_another_web_order(relay: Relay) -> None:
    for event in (order(), canceled(), order()):
        assert isinstance(relay.deliver(event), Delivered)
    assert relay.shop.items() == [BOUGHT]


def test_an_order_whose_channel_is_no_longer_komet_is_canceled(relay: Relay) -> None:
    relay.deliver(order())
    assert isinstance(relay.deliver(order(channel="web")), Delivered)
    assert relay.shop.orders() == []


def test_an_answer_that_does_not_name_the_web_order_is_no_reason_to_make_another(relay: Relay) -> None:
    relay.deliver(order())
    relay.rows["A-1"] = replace(relay.rows["A-1"], stage=CHECKING_OUT)
    odd = answer(200, status=1, webOrders=[{"key": 1}])
    assert isinstance(relay.deliver(order(), only(0, odd)), Unavailable)
