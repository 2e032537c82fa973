"""What a refusal of Komet's proves of a web order that may have become an invoice, and what it does not prove."""

from dataclasses import replace

import httpx
import pytest

from tests.support.komet_shop import ACCOUNT, Relay, Step, canceled, order
from workers.core.delivery.outcome import Delivered, Outcome, Rejected

NONE = {"status": 0, "message": "Web orders not found."}


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("The order can no longer be canceled.", Rejected),
        ("Web order not found.", Delivered),
        ("The order was already cancelled.", Delivered),
    ],
)
def test_a_refused_cancellation_counts_as_done_only_when_komet_says_that_there_is_no_such_web_order(
    words: str, outcome: type[Outcome]
) -> None:
    """Komet's pages do not say whether its lists still show a web order that became an invoice."""
    relay = Relay()
    relay.deliver(order())
    answers = iter([{"status": 0, "message": words}, NONE, NONE])
    assert isinstance(relay.deliver(canceled(), lambda *_: httpx.Response(200, json=next(answers))), outcome)


def test_a_cancellation_that_finds_the_web_order_at_one_of_several_locations_is_not_done() -> None:
    relay = Relay()
    relay.sink = replace(relay.sink, credentials={**ACCOUNT, "LOCATION_IDS": "3,5"})
    relay.deliver(order(companyLocationId="5"))
    number = int(relay.rows["A-1"].order_number)
    shown = {"status": 1, "webOrders": [{"id": number, "statusId": 2}]}
    asked: list[str] = []

    def refuse(_: int, step: Step) -> httpx.Response:
        assert isinstance(step, httpx.Request)
        asked.append(step.url.params.get("companyLocationId", ""))
        return httpx.Response(200, json=shown if len(asked) == 5 else NONE)

    assert isinstance(relay.deliver(canceled(), refuse), Rejected)
    assert asked == ["", "3", "3", "5", "5"]


@pytest.mark.parametrize("refused", ["item", "check-out"])
def test_a_refusal_after_a_check_out_in_doubt_begins_no_other_web_order(refused: str) -> None:
    """The web order was open a moment ago: the check-out whose answer was lost may have arrived since."""
    relay = Relay()
    steps = relay.steps(order())
    for _ in range(7):  # up to the check-out
        steps.send(None)
    steps.close()
    [made] = relay.shop.open
    if refused == "item":
        made.items.pop()
    word = "item.add" if refused == "item" else "checkout"
    gone: list[bool] = []

    def vanish(_: int, step: Step) -> httpx.Response | None:
        if isinstance(step, httpx.Request) and (gone or word in step.url.path):
            gone.append(True)
            return httpx.Response(200, json=NONE)
        return None

    outcome = relay.deliver(order(), vanish)
    assert isinstance(outcome, Rejected)
    assert "may have been checked out" in outcome.detail
    assert relay.shop.asked.count("web-order.create") == 1
