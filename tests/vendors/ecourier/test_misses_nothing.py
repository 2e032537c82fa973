"""Orders looked at one by one: nothing is missed, repeated, or let go too early, whatever happens; other ways do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendors.ecourier.follow_model import (
    EVERY_MS,
    GRACE_MS,
    NUMBERS,
    FencedError,
    Killed,
    Poller,
    Strategy,
    World,
)
from workers.core.poll.vendor_event import ObservedEvent, PublishedEventIds, VendorEvent

Act: TypeAlias = tuple[int, int, int]
"""(what, to which order, how)"""

WHAT = (
    *("save", "happen", "happen", "move", "vanish", "read", "compact"),
    *("look", "look", "look", "later", "later", "second owner", "former owner"),
)


class Play:
    """One run: acts are done in turn, by the present owner or by one that was shut out."""

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
        """While the looks are under way the sink saves, or something happens."""

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
        """One that was shut out wakes up: nothing that it does counts; then it may begin anew."""
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
        """Nothing goes wrong any more."""
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
            poller.open()  # it cannot know that it is not wanted
            if self.owner is not None:
                self.former.append(self.owner)
            self.owner = poller


def problems(acts: Sequence[Act], strategy: Strategy) -> list[str]:
    """What is wrong in the end, with every order saved once more, so that each is looked at."""
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
    return found + [f"{number}: at its end, and still looked at" for number in left]


def lead_in(*acts: tuple[str, int]) -> list[Act]:
    return [(WHAT.index(what), 0, how) for what, how in acts]


# An order at its end, quiet for so long that the next look lets it go; and one that is saved during that look.
AT_ITS_END = lead_in(("save", 0), ("move", 2), ("look", 0), ("later", 4))
LEAD_INS: tuple[list[Act], ...] = ([], AT_ITS_END, AT_ITS_END + lead_in(("look", 1)))


def is_over(play: Play, number: str) -> bool:
    order = play.world.orders[number]
    return not order.here or order.status == "X" or any(one["EventType"] == "POD" for one in order.events)


@settings(deadline=None, max_examples=3_000)
@given(
    acts=st.lists(
        st.tuples(st.integers(0, len(WHAT) - 1), st.integers(0, 2), st.integers(0, 15)), min_size=1, max_size=40
    ),
    first=st.sampled_from(LEAD_INS),
)
def test_nothing_is_missed_repeated_or_let_go_too_early(acts: list[Act], first: list[Act]) -> None:
    """Killed before and after a write, a second owner, rows saved while they are ended, compaction: at any point."""
    assert problems(first + acts, Strategy()) == []


# The ways that people write, each of which must fail here: else this test would show nothing.


def by_index(told: Sequence[ObservedEvent], happenings: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
    return happenings[len(told) :]


def by_greatest_id(told: Sequence[ObservedEvent], happenings: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
    greatest = max((int(one.happening.id) for one in told if one.happening.id.isdecimal()), default=0)
    return [one for one in happenings if one.id.isdecimal() and int(one.id) > greatest]


def by_greatest_time(told: Sequence[ObservedEvent], happenings: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
    greatest = max((one.happening.occurred_ms or 0 for one in told), default=0)
    return [one for one in happenings if (one.occurred_ms or 0) > greatest]


NAIVE = {
    "the last ones of the list": Strategy(pick=by_index),
    "ids greater than the greatest seen": Strategy(pick=by_greatest_id),
    "times later than the latest seen": Strategy(pick=by_greatest_time),
    "tombstones that do not say what they settle": Strategy(settles=False),
    "known events forgotten with the order": Strategy(keeps_known=False),
}


def script(seed: int) -> list[Act]:
    jitter = Random(seed)
    return LEAD_INS[seed % 3] + [
        (jitter.randrange(len(WHAT)), jitter.randrange(3), jitter.randrange(16)) for _ in range(40)
    ]


@pytest.mark.parametrize("name", NAIVE)
def test_a_way_that_people_write_fails_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same vendor, the same checks: each of these must be caught."""
    if NAIVE[name].pick is not None:
        monkeypatch.setattr(PublishedEventIds, "new_of", lambda _, happenings: list(happenings))
    assert any(problems(script(seed), NAIVE[name]) for seed in range(60))


def test_the_relays_way_does_not_where_the_others_do() -> None:
    for seed in range(30):
        assert problems(script(seed), Strategy()) == []
