"""Whatever is lost on the way, an order becomes one web order with each of its items once, and none is lost."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import httpx
import pytest

from tests.support.komet_shop import Relay, Shop, Step, canceled, line, order
from workers.core.delivery.outcome import Delivered, Outcome, Skipped
from workers.core.delivery.tracked_order import Mark
from workers.core.events import Event
from workers.vendors.contract import MaybeSent, NotSent

LOST = 0.2  # of the answers
CRASHES = 0.02  # of the steps
MOST_ATTEMPTS = 100
AT_ONCE = 16  # orders


@dataclass
class Weather:
    """What becomes of each request."""

    relay: Relay
    random: Random
    crashes: float = CRASHES
    late: float = 0.0
    waiting: list[httpx.Request] = field(default_factory=list)  # sent, given up, and still on their way

    def attempt(self, event: Event, number: int) -> Generator[None, None, Outcome | None]:
        """One attempt, step by step; returns its outcome, or None after a crash or a lost request."""
        steps = self.relay.steps(event, number)
        try:
            step = next(steps)
            while True:
                if self.random.random() < self.crashes:
                    if isinstance(step, httpx.Request) and self.random.random() < 0.5:
                        self.relay.shop.answer(step)
                    steps.close()
                    return None
                step = steps.send(self.became(step))
                yield
        except (NotSent, MaybeSent):
            return None
        except StopIteration as stop:
            outcome: Outcome = stop.value
            self.relay.settle(event.order_id, outcome)
            return outcome

    def became(self, step: Step) -> Exception | None:
        if self.waiting and self.random.random() < 0.3:
            self.relay.shop.answer(self.waiting.pop(0))
        if isinstance(step, Mark) or self.random.random() >= LOST:
            return None
        chance = self.random.random()
        if chance < self.late and step.url.path.endswith("create"):
            self.waiting.append(step)
        elif chance < 0.5:
            self.relay.shop.answer(step)
        elif chance < 0.6:
            return NotSent("refused")
        return MaybeSent("reset")


def lane(weather: Weather, events: Sequence[Event]) -> Iterator[None]:
    """An order's events, one after the other, each until it is delivered or skipped."""
    for event in events:
        for number in range(1, MOST_ATTEMPTS):
            outcome = yield from weather.attempt(event, number)
            if isinstance(outcome, Delivered | Skipped):
                break
        else:
            pytest.fail(f"{event.order_id} is never delivered")


def run(weather: Weather, lanes: list[Iterator[None]]) -> None:
    """Some lanes at once, in random sequence."""
    flying: list[Iterator[None]] = []
    while lanes or flying:
        while lanes and len(flying) < AT_ONCE:
            flying.append(lanes.pop())
        chosen = weather.random.randrange(len(flying))
        if next(flying[chosen], weather) is weather:
            flying.pop(chosen)


def bought(number: int) -> list[tuple[str, int]]:
    """The items of an order: one to four, now and then two of one product."""
    return [(str(7000 + (number * one) % 5), 1 + (number + one) % 3) for one in range(1 + number % 4)]


def test_a_thousand_web_orders_with_a_fifth_of_the_answers_lost_have_each_item_once_and_none_is_lost() -> None:
    relay = Relay()
    weather = Weather(relay, Random(7))
    orders = [order(f"A-{n}", *(line(product, boxes) for product, boxes in bought(n))) for n in range(1000)]
    run(weather, [lane(weather, [each]) for each in orders])
    items = {one.reference: sorted(row) for one, row in zip(relay.shop.orders(), relay.shop.items(), strict=True)}
    assert items == {f"A-{n}": sorted(bought(n)) for n in range(1000)}
    assert len(relay.shop.orders()) == 1000
    assert relay.shop.open == [], "no header is left behind half-made"


@pytest.mark.parametrize("knobs", [{"needs_web_order_id": True}, {"hides_customer_po": True}])
def test_where_a_lost_header_cannot_be_found_nothing_but_an_empty_one_is_left_behind(knobs: dict[str, bool]) -> None:
    relay = Relay(Shop())
    relay.shop.faults = relay.shop.faults.changed(knobs)
    weather = Weather(relay, Random(1))
    run(weather, [lane(weather, [order(f"A-{n}", line(boxes=1 + n % 3))]) for n in range(200)])
    assert sorted(relay.shop.items()) == sorted([("7001", 1 + n % 3)] for n in range(200))
    assert all(one.items == [] for one in relay.shop.open)


def test_a_create_that_arrives_late_leaves_at_most_an_empty_header() -> None:
    relay = Relay()
    weather = Weather(relay, Random(5), late=0.5)
    run(weather, [lane(weather, [order(f"A-{n}", line(boxes=1 + n % 3))]) for n in range(300)])
    assert sorted(relay.shop.items()) == sorted([("7001", 1 + n % 3)] for n in range(300))
    assert all(one.items == [] for one in relay.shop.open)


def test_a_canceled_order_is_nowhere_however_much_was_lost() -> None:
    relay = Relay()
    weather = Weather(relay, Random(3))
    run(weather, [lane(weather, [order(f"A-{n}"), canceled(f"A-{n}")]) for n in range(300)])
    assert relay.shop.orders() == relay.shop.open == []
    assert len([row for row in relay.rows.values() if row.canceled_at_ms is not None]) == 300
