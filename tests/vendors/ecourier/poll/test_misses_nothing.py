"""Looks at single orders miss, repeat and end nothing too early, whatever happens; naive strategies do."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendors.ecourier.poll.follow_model import (
    EVERY_MS,
    GRACE_MS,
    NUMBERS,
    FencedError,
    Killed,
    Poller,
    Strategy,
    World,
)
from workers.core.poll.vendor_event import ObservedEvent, VendorEvent

Act: TypeAlias = tuple[int, int, int]
"""(what happens, to which order, a number that varies it)"""

WHAT = (
    *("save", "happen", "happen", "move", "vanish", "read", "compact"),
    *("look", "look", "look", "later", "later", "second owner", "former owner"),
)


class Play:
    """One run of acts, done by the present owner of the shard or by a fenced former one."""

    def __init__(self, strategy: Strategy) -> None:
        self.world = World(strategy)
        self.owner: Poller | None = None
        self.former: list[Poller] = []

    def act(self, act: Act) -> None:
        what, which, how = act
        number = NUMBERS[which % len(NUMBERS)]
        match WHAT[what % len(WHAT)]:
            case "save":
                self.world.save(number)
            case "happen":
                self.world.happen(number, how)
            case "move":
                self.world.move(number, "NAXIT"[how % 5])
            case "vanish":
                self.world.vanish(number)
            case "read":
                self.present().read(1 + how)
            case "compact":
                self.world.compact(tombstones=how % 2 == 0)
            case "look":
                self.look(number, how)
            case other:
                self._time_and_owners(other, how)

    def _time_and_owners(self, what: str, how: int) -> None:
        match what:
            case "later":
                self.later(how)
            case "second owner":
                self.second_owner()
            case _:
                self.former_owner(how)

    def later(self, how: int) -> None:
        self.world.now_ms += (400, EVERY_MS, EVERY_MS, 2 * EVERY_MS, GRACE_MS, GRACE_MS)[how % 6]

    def look(self, number: str, how: int) -> None:
        """During the looks, the sink may save the order and the vendor add an event."""

        def between() -> None:
            if how & 1:
                self.world.save(number)
            if how & 2:
                self.world.happen(number, how)

        self._run(self.present(), 1 + how % 3, between, dies=how // 4 % 4)

    def second_owner(self) -> None:
        if self.owner is not None:
            self.former.append(self.owner)
        self.owner = None
        self.present()

    def former_owner(self, how: int) -> None:
        """A fenced owner wakes up: Kafka refuses its writes, and it then takes over again."""
        if self.former:
            former = self.former.pop()
            former.read(how)
            self._run(former, 3, lambda: None)

    def present(self) -> Poller:
        if self.owner is None:
            self.owner = Poller(self.world)
            self.owner.open()
        return self.owner

    def rest(self, rounds: int = 12) -> None:
        """Run without further faults."""
        for _ in range(rounds):
            self.world.now_ms += 2 * EVERY_MS
            self.present().read(1_000)
            while self.present().round(10, lambda: None):
                pass

    def _run(self, poller: Poller, most: int, between: Callable[[], None], *, dies: int = 0) -> None:
        try:
            poller.round(most, between, dies=dies if dies < 3 else 0)
        except Killed:
            self.owner = None if poller is self.owner else self.owner
        except FencedError:
            assert poller is not self.owner
            poller.open()  # it does not know of its successor
            if self.owner is not None:
                self.former.append(self.owner)
            self.owner = poller


def problems(acts: Sequence[Act], strategy: Strategy) -> list[str]:
    """What is wrong at the end, after every order was saved once more, so that it is looked at."""
    play = Play(strategy)
    for act in acts:
        play.act(act)
    play.rest(3)
    found = play.world.check_rows()
    for number in play.world.orders:
        play.world.save(number)
    play.rest()
    found += play.world.check()
    play.world.now_ms += GRACE_MS
    play.rest(4)
    found += play.world.check()
    left = [
        number for number, order in play.world.orders.items() if play.world.is_tracked(number) and is_over(play, number)
    ]
    return found + [f"{number}: ended, but still looked at" for number in left]


def lead_in(*acts: tuple[str, int]) -> list[Act]:
    return [(WHAT.index(what), 0, how) for what, how in acts]


# An ended order that the next look makes done; and one that is saved during that look.
ENDED = lead_in(("save", 0), ("move", 2), ("look", 0), ("later", 4))
LEAD_INS: tuple[list[Act], ...] = ([], ENDED, ENDED + lead_in(("look", 1)))


def is_over(play: Play, number: str) -> bool:
    order = play.world.orders[number]
    return not order.exists or order.status == "X" or any(one["EventType"] == "POD" for one in order.events)


@pytest.mark.slow
@settings(max_examples=5 * settings().max_examples)
@given(
    acts=st.lists(
        st.tuples(st.integers(0, len(WHAT) - 1), st.integers(0, 2), st.integers(0, 15)), min_size=1, max_size=40
    ),
    first=st.sampled_from(LEAD_INS),
)
def test_nothing_is_missed_repeated_or_ended_too_early(acts: list[Act], first: list[Act]) -> None:
    """With kills before and after a write, a second owner, rows saved while they end, and compaction at any point."""
    assert problems(first + acts, Strategy()) == []


# Naive strategies. Each must fail here, or this test would prove nothing.


def by_index(published: Sequence[ObservedEvent], events: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
    return events[len(published) :]


def by_greatest_id(published: Sequence[ObservedEvent], events: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
    greatest = max((int(one.event.id) for one in published if one.event.id.isdecimal()), default=0)
    return [one for one in events if one.id.isdecimal() and int(one.id) > greatest]


def by_greatest_time(published: Sequence[ObservedEvent], events: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
    greatest = max((one.event.occurred_ms or 0 for one in published), default=0)
    return [one for one in events if (one.occurred_ms or 0) > greatest]


NAIVE = {
    "the last ones of the list": Strategy(pick=by_index),
    "ids greater than the greatest seen": Strategy(pick=by_greatest_id),
    "times later than the latest seen": Strategy(pick=by_greatest_time),
    "tombstones that do not name the row that they settle": Strategy(settles=False),
    "event ids forgotten with the order": Strategy(keeps_event_ids=False),
}


def script(seed: int) -> list[Act]:
    jitter = Random(seed)
    return LEAD_INS[seed % 3] + [
        (jitter.randrange(len(WHAT)), jitter.randrange(3), jitter.randrange(16)) for _ in range(40)
    ]


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_strategy_fails_here(name: str) -> None:
    """The same vendor and the same checks must catch each of them."""
    assert any(problems(script(seed), NAIVE[name]) for seed in range(60))


def test_the_relays_strategy_does_not_fail_where_the_naive_ones_do() -> None:
    for seed in range(30):
        assert problems(script(seed), Strategy()) == []
