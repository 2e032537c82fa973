"""A command is carried out once, by the owner of its partition, however often its row is read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, cast

from tests.support.sink_rig import TOPICS, Rig, make_rig
from workers.app.parked.commands import ParkedCommands
from workers.app.sink.shard import Shard, open_shard
from workers.app.sink.write_queue import WriteQueue
from workers.core.delivery.outcome import Rejected
from workers.core.parked.commands import Discard, Replay
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.rows import read_row

NOW_MS = 1_000_000  # of the rig's clock
KEY = "\0asked"
FENCE = Fence(ParkReason.REJECTED, "no", 7, 2, 0, 1)


class Stand:
    """Commands whose redelivery and discards only take notes."""

    def __init__(self) -> None:
        self.rig: Rig = make_rig()
        self.queue = WriteQueue(self.rig.state)
        self.asked: list[tuple[str, str, bool]] = []
        self.discarded: list[set[str]] = []
        self.shard.fences |= {"A": FENCE, "B": FENCE}
        self.commands = ParkedCommands(
            self.rig.state, self.queue, cast("Any", self), cast("Any", self), wake=lambda: None
        )

    @property
    def shard(self) -> Shard:
        return self.rig.state.shards[0]

    def ask(self, shard: Shard, order_id: str, command: str, *, resumed: bool) -> None:  # noqa: ARG002
        self.asked.append((order_id, command, resumed))

    def carry_out(self, shard: Shard, command: Discard, orders: Collection[str], done: Callable[[], None]) -> None:  # noqa: ARG002
        self.discarded.append(set(orders))
        done()

    def written(self) -> list[tuple[bytes | None, Any]]:
        """The commands' rows that were queued since the last look."""
        writes = self.queue.take([0])
        self.queue.done(writes)
        others = [write.other for write in writes if write.other is not None]
        return [(one.key, None if one.value is None else read_row(one.value)) for one in others]


def replay(*names: str, taken: bool = False, expires: int = NOW_MS + 1) -> Replay:
    return Replay("c1", dict.fromkeys(names, 7), expires, taken)


def test_a_replay_is_taken_and_goes_when_the_last_of_its_orders_has_ended() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A", "B"))
    assert stand.written() == [(KEY.encode(), replay("A", "B", taken=True))]
    assert stand.asked == [("A", "c1", False), ("B", "c1", False)]
    stand.commands.ended(stand.shard, "A")
    assert stand.written() == []
    stand.commands.ended(stand.shard, "B")
    assert stand.written() == [(KEY.encode(), None)]


def test_an_order_in_two_partitions_ends_in_each_for_the_command_there() -> None:
    """The other's row would stay, and its command run again after a restart."""
    stand = Stand()
    other = open_shard(1, TOPICS, 10.0, 0.0, tracks=False)
    other.fences["A"] = FENCE
    stand.rig.state.shards[1] = other
    stand.commands.carry_out(stand.shard, KEY, replay("A"))
    stand.commands.carry_out(other, f"{KEY}/1", replay("A"))
    stand.written()
    stand.commands.ended(stand.shard, "A")
    assert stand.written() == [(KEY.encode(), None)]
    stand.commands.ended(other, "A")
    writes = [write.other for write in stand.queue.take([1]) if write.other is not None]
    assert [(one.key, one.value) for one in writes][-1] == (f"{KEY}/1".encode(), None)


def test_our_own_word_that_it_is_taken_begins_nothing() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A"))
    stand.commands.carry_out(stand.shard, KEY, replay("A", taken=True))
    assert len(stand.asked) == 1


def test_one_that_a_former_owner_has_taken_goes_on_however_late() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A", taken=True, expires=NOW_MS - 1))
    assert stand.asked == [("A", "c1", True)]


def test_one_that_has_expired_untaken_is_taken_away() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A", expires=NOW_MS))
    assert (stand.asked, stand.written()) == ([], [(KEY.encode(), None)])


def test_only_the_fences_that_were_meant_and_not_yet_treated_are_touched() -> None:
    """Parked anew since, or refused again by this very command: a second time would be one too many."""
    stand = Stand()
    stand.shard.fences["A"] = Fence(ParkReason.REJECTED, "later", 8, 1, 5, 5)
    stand.shard.fences["B"] = FENCE.refused(ParkReason.REJECTED, "again", 0, "c1")
    stand.commands.carry_out(stand.shard, KEY, replay("A", "B", "gone"))
    stand.commands.carry_out(stand.shard, "\0other", Discard("c1", {"A": 7, "B": 7}, NOW_MS + 1, "ada", ""))
    assert stand.asked == []
    assert stand.discarded == []
    assert stand.written() == [(KEY.encode(), None), (b"\0other", None)]


def test_a_discard_is_taken_once_and_goes_on_however_late() -> None:
    """Who asked would else be told that no worker has taken it, and the worker would carry it out afterwards."""
    stand = Stand()
    discard = Discard("c1", {"A": 7}, NOW_MS + 1, "ada", "")
    stand.commands.carry_out(stand.shard, KEY, discard)
    taken = replace(discard, taken=True)
    assert stand.written() == [(KEY.encode(), taken), (KEY.encode(), None)]
    stand.commands.carry_out(stand.shard, KEY, replace(taken, expires_ms=NOW_MS - 1))
    assert stand.discarded == [{"A"}, {"A"}]


def test_given_away_nothing_more_is_written_of_it() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A"))
    stand.written()
    stand.commands.forget()
    stand.commands.ended(stand.shard, "A")
    assert stand.written() == []


def test_parked_orders_that_are_refused_again_cast_no_suspicion_on_the_account() -> None:
    """They were refused before: a replay of many must not shut the gate before the stream."""
    rig = make_rig(suspect_after=2)
    for number in range(5):
        lane = rig.fly(f"O{number}:x")
        lane.queue[0].replay = True
        rig.outcomes.settle([(lane, Rejected("no", 422))])
    assert rig.state.gate.is_open
    assert len(rig.parked) == 5
