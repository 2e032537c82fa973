"""A command is carried out once, by the owner of its partition, however often its row is read."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.sink_rig import CREATED, Rig
from workers.app.parked.command_progress import CommandProgress
from workers.app.parked.commands import ParkedCommands, ParkedState
from workers.app.sink.shard import Shard
from workers.core.consume.start_position import NeedsOperator
from workers.core.delivery.outcome import Rejected
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.rows import DiscardCommand, ReplayCommand, RestartAt, command_row, read_row
from workers.core.record import Partition, Record

NOW_MS = 1_000_000  # of the rig's clock
KEY = "\0asked"
FENCE = Fence(ParkReason.REJECTED, "no", 7, 2, 0, 1)


class RecordedParts:
    """Replays, discards and fetching that only take notes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.waiting: list[CommandProgress] = []
        self.discarded: list[CommandProgress] = []
        self.restarted: list[tuple[Partition, int]] = []


class FakeReplays(RecordedParts):
    def loaded(self, shard: Shard) -> None:
        """Nothing is resumed."""

    def ask(
        self, shard: Shard, order_id: str, command: str, waiting: tuple[CommandProgress, ...], *, resumed: bool
    ) -> None:
        del shard
        self.asked.append((order_id, command, resumed))
        self.waiting += waiting


class FakeDiscards(RecordedParts):
    def ask(self, shard: Shard, command: DiscardCommand, progress: CommandProgress) -> None:
        del shard, command
        self.discarded.append(progress)


class FakeFetching(RecordedParts):
    def restart(self, shard: Shard, at: Partition, offset: int) -> None:
        del shard
        self.restarted.append((at, offset))


class Stand:
    """The commands of one assignment."""

    def __init__(self, *numbers: int) -> None:
        self.rig = Rig()
        self.rig.assign(*(numbers or (0,)))
        self.replays, self.discards, self.fetching = FakeReplays(), FakeDiscards(), FakeFetching()
        for shard in self.rig.shards.values():
            shard.fences.load("A", FENCE)
            shard.fences.load("B", FENCE)
        self.begin()

    def begin(self) -> None:
        """Another owner begins: it knows of no command yet."""
        parts = cast("Any", (self.replays, self.discards, self.fetching))
        self.commands = ParkedCommands(self.rig.context, self.rig.ownership, *parts)

    @property
    def shard(self) -> Shard:
        return self.rig.shard

    def written(self, number: int = 0) -> list[tuple[bytes | None, Any]]:
        """The commands' rows that were queued since the last look."""
        queue = self.rig.shards[number].writes
        writes = queue.next_writes()
        queue.acknowledge(writes)
        rows = [write.extra_record for write in writes if write.extra_record is not None]
        return [(one.key, None if one.value is None else read_row(one.value)) for one in rows]


def replay(*names: str, taken: bool = False, expires: int = NOW_MS + 1) -> ReplayCommand:
    return ReplayCommand("c1", dict.fromkeys(names, 7), expires, taken)


def test_a_replay_is_taken_and_its_row_goes_when_the_last_of_its_orders_has_ended() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A", "B"))
    assert stand.written() == [(KEY.encode(), replay("A", "B", taken=True))]
    assert stand.replays.asked == [("A", "c1", False), ("B", "c1", False)]
    stand.replays.waiting[0].order_ended("A")
    assert stand.written() == []
    stand.replays.waiting[1].order_ended("B")
    assert stand.written() == [(KEY.encode(), None)]


def test_an_order_in_two_partitions_ends_in_each_for_the_command_there() -> None:
    """The other's row would stay, and its command run again after a restart."""
    stand = Stand(0, 1)
    for number in (0, 1):
        stand.commands.carry_out(stand.rig.shards[number], KEY, replay("A"))
        stand.written(number)
    stand.replays.waiting[0].order_ended("A")
    assert (stand.written(0), stand.written(1)) == ([(KEY.encode(), None)], [])
    stand.replays.waiting[1].order_ended("A")
    assert stand.written(1) == [(KEY.encode(), None)]


def test_our_own_row_that_a_command_is_taken_begins_nothing() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A"))
    stand.commands.carry_out(stand.shard, KEY, replay("A", taken=True))
    assert len(stand.replays.asked) == 1


def test_our_own_row_that_is_read_back_after_the_commands_end_begins_nothing() -> None:
    """Two replays of an order that is refused at once would else begin each other again for ever."""
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A"))
    stand.replays.waiting[0].order_ended("A")
    stand.shard.fences.load("A", FENCE.refused(ParkReason.INVALID, "no", 0, "c2"))
    stand.commands.carry_out(stand.shard, KEY, replay("A", taken=True))
    assert len(stand.replays.asked) == 1


def test_a_command_that_a_former_owner_has_taken_goes_on_expired_or_not() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A", taken=True, expires=NOW_MS - 1))
    assert stand.replays.asked == [("A", "c1", True)]


def test_a_command_that_has_expired_untaken_is_removed() -> None:
    stand = Stand()
    stand.commands.carry_out(stand.shard, KEY, replay("A", expires=NOW_MS))
    assert (stand.replays.asked, stand.written()) == ([], [(KEY.encode(), None)])


def test_only_the_fences_that_were_meant_and_not_yet_treated_are_touched() -> None:
    """Parked again since, or refused again by this very command: a second time would be one too many."""
    stand = Stand()
    stand.shard.fences.load("A", Fence(ParkReason.REJECTED, "later", 8, 1, 5, 5))
    stand.shard.fences.load("B", FENCE.refused(ParkReason.REJECTED, "again", 0, "c1"))
    stand.commands.carry_out(stand.shard, KEY, replay("A", "B", "gone"))
    discard = DiscardCommand("c1", {"A": 7, "B": 7}, NOW_MS + 1, "ada", "")
    stand.commands.carry_out(stand.shard, "\0other", discard)
    assert stand.replays.asked == []
    assert stand.discards.discarded == []
    assert stand.written() == [(KEY.encode(), None), (b"\0other", None)]


def test_a_discard_is_taken_once_and_goes_on_expired_or_not() -> None:
    """Else the operator would read that no worker has taken it, and the worker would carry it out afterwards."""
    stand = Stand()
    discard = DiscardCommand("c1", {"A": 7}, NOW_MS + 1, "ada", "")
    taken = replace(discard, taken=True)
    stand.commands.carry_out(stand.shard, KEY, discard)
    stand.discards.discarded[0].order_ended("A")
    assert stand.written() == [(KEY.encode(), taken), (KEY.encode(), None)]
    stand.begin()
    stand.commands.carry_out(stand.shard, KEY, replace(taken, expires_ms=NOW_MS - 1))
    assert [progress.orders for progress in stand.discards.discarded] == [set(), {"A"}]


def test_a_command_of_a_shard_that_was_given_away_is_left_to_its_next_owner() -> None:
    stand = Stand()
    given_away = stand.shard
    stand.rig.assign(0, epoch=2)
    stand.commands.carry_out(given_away, KEY, replay("A"))
    assert stand.replays.asked == []
    assert not given_away.writes


def test_a_stopped_partition_restarts_where_an_operator_says_unless_that_has_expired() -> None:
    stand, at = Stand(), Partition(CREATED, 0)
    stand.shard.stopped[at] = NeedsOperator("expired")
    stand.commands.carry_out(stand.shard, KEY, RestartAt(CREATED, 5, NOW_MS))
    assert stand.fetching.restarted == []
    stand.commands.carry_out(stand.shard, KEY, RestartAt(CREATED, 6, NOW_MS + 1))
    assert stand.fetching.restarted == [(at, 6)]
    assert stand.written() == [(KEY.encode(), None)] * 2


def test_parked_orders_that_are_refused_again_cast_no_suspicion_on_the_account() -> None:
    """They were refused before: a replay of many must not shut the gate before the stream."""
    rig = Rig(suspect_after=2)
    for number in range(5):
        lane = rig.fly(f"O{number}:x")
        lane.queue[0].replay, lane.queue[0].ledger = True, rig.shard.replay_ledger
        rig.settle([(lane, Rejected("no", 422))])
    assert rig.gate.is_open
    assert len(rig.parked) == 5


def test_a_command_that_was_withdrawn_before_it_was_read_is_not_carried_out() -> None:
    """The operator's removal of the row may come in the same batch as the row."""
    stand = Stand()
    state = parked_state(stand)
    stand.shard.fences_loaded = True
    rows = [Record("s", 0, at, 0, KEY.encode(), value) for at, value in enumerate([command_row(replay("A")), None])]
    state.rows(0, rows)
    assert stand.replays.asked == []
    state.rows(0, rows[:1])
    assert stand.replays.asked == [("A", "c1", False)]


def parked_state(stand: Stand) -> ParkedState:
    intake = cast("Any", SimpleNamespace(loaded=lambda _: None))
    return ParkedState(stand.rig.context, {0: stand.shard}, intake, cast("Any", stand.replays), stand.commands)


def row(value: bytes | None, offset: int, key: bytes = b"B") -> Record:
    return Record("ecdp-parked-state", 0, offset, 0, key, value)


OF_ANOTHER_RELEASE = b'{"version":99,"kind":"fence"}'


def test_nothing_is_sent_while_the_fence_of_an_order_cannot_be_read() -> None:
    """Taken for no fence, the order's next records would pass the parked ones."""
    stand = Stand()
    stand.shard.fences_loaded = False
    state = parked_state(stand)
    state.rows(0, [row(OF_ANOTHER_RELEASE, 7)])
    state.loaded(0)
    assert not stand.shard.fences_loaded
    (failure,) = stand.rig.failures
    assert str(failure).startswith("ecdp-parked-state/0, offset 7: the row of a parked order cannot be read (")
    assert str(failure).endswith("; run a release that reads it")


@pytest.mark.parametrize("later", [row(None, 8), row(OF_ANOTHER_RELEASE, 8, KEY.encode())])
def test_a_row_that_cannot_be_read_counts_only_while_no_later_one_replaces_it(later: Record) -> None:
    stand = Stand()
    stand.shard.fences_loaded = False
    state = parked_state(stand)
    if later.key == b"B":
        state.rows(0, [row(OF_ANOTHER_RELEASE, 7)])
    state.rows(0, [later])
    state.loaded(0)
    assert stand.shard.fences_loaded
    assert stand.rig.failures == []


def test_a_replay_row_of_an_older_release_says_not_who_asked() -> None:
    old = b'{"version":1,"kind":"replay","id":"c1","orders":{"A":7},"expires":1,"taken":false}'
    assert read_row(old) == ReplayCommand("c1", {"A": 7}, 1)
