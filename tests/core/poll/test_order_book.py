"""One order's life as a poller decides it: first seen, gone, done, saved anew, forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.change import Change, Seen, Stage, digest
from workers.core.poll.compacted_rows import REPEATS, SETTLES, CompactedRows, take
from workers.core.poll.cursor import Cursor
from workers.core.poll.order_book import OrderBook
from workers.core.poll.order_look import Looked
from workers.core.poll.progress import Progress
from workers.core.poll.schedule import LookSchedule
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.core.record import Record

EVERY, GRACE, GIVE_UP, FORGET = 10, 1_000, 5_000, 20_000
MEANT: dict[str, Progress] = {"N": "received", "A": "processing", "X": "cancelled", "": "unknown"}


@dataclass
class Life:
    """One order and one shard; steps are written at once."""

    now: int = 100_000
    state: ShardState = field(default_factory=ShardState)
    rows: CompactedRows[bytes] = field(default_factory=CompactedRows)
    steps: list[Step] = field(default_factory=list)
    since: int = 100_000
    offset: int = 0

    def __post_init__(self) -> None:
        self.state.cursor = self.state.cursor or Cursor(0, 50_000, 0, 0)
        self.begin()

    def begin(self) -> None:
        """As a new owner does."""
        self.book = OrderBook(self.state, self.rows, LookSchedule(EVERY, (), GRACE, GIVE_UP), FORGET, ("OrderStatus",))
        self.book.begin(self.now, self.now)

    def record(self, value: bytes | None, *headers: tuple[str, bytes]) -> None:
        self.offset += 1
        number = take(self.rows, Record("t", 0, self.offset, self.now, b"OR-1", value, headers))
        if number is not None:
            self.book.noticed(number, self.now)

    def save(self) -> None:
        self.record(b"row")

    def look(self, status: str | None, *happened: VendorEvent, saved_meanwhile: bool = False) -> Step | None:
        """Look when it is due; None: it is not looked at."""
        row = self.book.take(self.now)
        if row is None:
            return None
        seen = None if status is None else seen_as(status)
        if saved_meanwhile:
            self.save()
        tracked = Tracked(row.key, "1", self.since, "", None, "00-trace")
        looked = Looked(row.key, row.offset, row.saved_ms, self.now, Look(seen, happened), tracked)
        step = self.book.step([looked], Cursor(self.book.fresh_ms(self.now, self.now), 50_000, 0, 0), self.now)
        self.state.accept(step)
        self.book.written(step, [looked], self.now, self.now)
        self.steps.append(step)
        return step

    def later(self, ms: int = EVERY) -> None:
        self.now += ms

    @property
    def changes(self) -> list[Change]:
        return [change for step in self.steps for change in step.changes]

    @property
    def happened(self) -> list[str]:
        return [one.happening.id for step in self.steps for one in step.happened]


def seen_as(status: str) -> Seen:
    return Seen("OR-1", Stage(status, None, "", MEANT[status]), digest([status]), {"OrderStatus": status})


def happening(name: str, *, ends: bool = False) -> VendorEvent:
    return VendorEvent(name, digest(name), None, {}, ends)


def test_a_change_of_status_is_told_with_what_was_before_and_no_other_look_is() -> None:
    life = Life()
    life.save()
    for status in ("N", "N", "A", "N"):
        life.look(status)
        life.later()
    assert [(one.op, one.seen.stage.name, one.sequence, one.changed) for one in life.changes] == [
        ("created", "N", 1, ()),
        ("updated", "A", 2, ("OrderStatus",)),
        ("updated", "N", 3, ("OrderStatus",)),
    ]
    assert [one.previous and one.previous.name for one in life.changes] == [None, "N", "A"]
    assert life.steps[1].is_empty
    assert {one.seen.order_id for one in life.changes} == {"1"}
    assert life.steps[0].traces == {"OR-1": "00-trace"}


def test_a_look_that_names_no_status_changes_none_and_its_events_are_told() -> None:
    """Told as a change, every such answer would be two: to nothing, and back."""
    life = Life()
    life.save()
    first = life.look("")
    assert first is not None
    assert (list(first.changes), life.state.shadows) == ([], {})
    life.now += EVERY
    life.look("A")
    life.now += EVERY
    empty = life.look("", happening("1"))
    assert empty is not None
    assert (list(empty.changes), [one.order_status for one in empty.happened]) == ([], [None])
    life.now += EVERY
    after = life.look("A")
    assert after is not None
    assert not after.changes


def test_an_order_tracked_before_the_first_start_is_a_snapshot() -> None:
    life = Life(since=49_999)
    life.save()
    life.look("N")
    assert [one.op for one in life.changes] == ["snapshot"]


def test_an_order_that_was_never_seen_is_looked_at_until_it_is_given_up() -> None:
    life = Life()
    life.save()
    while life.rows.rows:
        assert life.look(None) is not None
        life.later()
    assert life.changes == []
    assert life.now >= 100_000 + GIVE_UP
    assert not life.book.has_ended("OR-1")


def test_one_answer_does_not_delete_an_order_and_two_apart_do_once() -> None:
    life = Life()
    life.save()
    for status in ("N", None, "N", None, None, None):
        life.later()
        life.look(status)
    assert [(one.op, one.seen.stage.name, one.seen.stage.progress) for one in life.changes] == [
        ("created", "N", "received"),
        ("deleted", "N", "cancelled"),
    ]
    assert life.changes[1].changed == ("OrderStatus",)
    life.later()
    life.look("N")
    assert [(one.op, one.sequence) for one in life.changes[2:]] == [("updated", 3)]


def test_an_order_at_its_end_is_done_by_a_look_after_the_grace_and_not_before() -> None:
    life = Life()
    life.save()
    life.look("N", happening("1", ends=True))
    life.later(GRACE - 1)
    life.look("N", happening("1", ends=True))
    assert "OR-1" in life.rows.rows
    life.later()
    step = life.look("N", happening("1", ends=True))
    assert step is not None
    assert (step.settled, life.rows.rows) == ({"OR-1": 1}, {})
    life.later()
    assert life.look("N") is None


def test_a_late_event_in_the_grace_is_told_and_the_grace_begins_anew() -> None:
    life = Life()
    life.save()
    life.look("X")
    life.later(GRACE)
    life.look("X", happening("late"))
    assert (life.happened, life.steps[-1].settled) == (["late"], {})
    life.later(GRACE)
    life.look("X", happening("late"))
    assert life.steps[-1].settled == {"OR-1": 1}


def test_saved_anew_while_it_is_looked_at_for_the_last_time_it_stays() -> None:
    """That the row is newer may be known when the look ends, or only when the tombstone lies above it."""
    life = Life()
    life.save()
    life.look("X")
    life.later(GRACE)
    life.look("X", saved_meanwhile=True)
    assert life.steps[-1].settled == {}
    assert life.look("X") is not None, "at once: it was saved anew"
    life.later(GRACE)
    life.look("X")
    assert life.steps[-1].settled == {"OR-1": 2}
    life.save()
    life.record(None, (SETTLES, b"2"))
    assert life.look("X") is not None
    assert life.steps[-1].put_back == {"OR-1": (3, b"row")}
    life.record(b"row", (REPEATS, b"3"))
    assert not life.book.has_more


def test_an_order_saved_anew_after_it_was_done_goes_on_where_it_was() -> None:
    life = Life()
    life.save()
    life.look("X", happening("1"))
    life.later(GRACE)
    life.look("X", happening("1"))
    life.later()
    life.save()
    life.begin()
    life.look("N", happening("1"), happening("2"))
    assert [one.sequence for one in life.changes] == [1, 2]
    assert life.happened == ["1", "2"]


def test_a_done_order_is_forgotten_after_long_and_one_that_is_looked_at_is_not() -> None:
    life = Life()
    life.save()
    life.look("X")
    life.later(GRACE)
    life.look("X")
    life.later(FORGET)
    life.begin()
    step = life.book.step([], Cursor(0, 0, 0, 0), life.now)
    assert (dict(step.rows), dict(step.known)) == ({"/OR-1": None}, {"OR-1": None})
    life.save()
    life.begin()
    assert life.book.step([], Cursor(0, 0, 0, 0), life.now).is_empty


def test_everything_is_complete_up_to_the_oldest_look_and_the_last_row_read() -> None:
    life = Life()
    assert life.book.fresh_ms(read_until_ms=90_000, now_ms=life.now) == 90_000
    life.save()
    life.later()
    life.look("N")
    assert life.book.fresh_ms(life.now, life.now) == life.now
    life.later(5)
    assert life.book.fresh_ms(life.now, life.now) == life.now - 5


def test_before_the_first_look_of_all_nothing_is_complete() -> None:
    life = Life()
    life.state.cursor = None
    life.save()
    life.begin()
    assert life.book.fresh_ms(life.now, life.now) == 0
