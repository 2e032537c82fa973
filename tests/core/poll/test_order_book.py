"""An order's life in the order book: first look, changes, gone, done, saved again, forgotten."""

from dataclasses import dataclass, field

from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.change import Progress, Stage, StageChange, VendorOrder, digest
from workers.core.poll.compacted_rows import REPEATS, SETTLES, CompactedRows, apply_row
from workers.core.poll.cursor import Cursor
from workers.core.poll.order_book import OrderBook
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.schedule import LookSchedule, Now
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import AnsweredLook, Done, OrderUpdate, Step
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.core.record import Record

NUMBER = "OR-1"
EVERY, GRACE, GIVE_UP, FORGET = 10, 1_000, 5_000, 20_000
PROGRESS: dict[str, Progress] = {"N": "received", "A": "processing", "X": "cancelled", "": "unknown"}


@dataclass
class Life:
    """One order and one shard; each step is written at once."""

    now_ms: int = 100_000
    state: ShardState = field(default_factory=ShardState)
    rows: CompactedRows[bytes] = field(default_factory=CompactedRows)
    steps: list[Step] = field(default_factory=list)
    since: int = 100_000
    offset: int = 0

    def __post_init__(self) -> None:
        self.state.cursor = Cursor(0, 50_000, 0, 0)
        self.begin()

    @property
    def now(self) -> Now:
        return Now(self.now_ms, self.now_ms)

    def begin(self) -> None:
        """As a new owner does."""
        self.read = ReadUntil(50_000, at_ms=self.now_ms)
        schedule = LookSchedule(EVERY, (), GRACE, GIVE_UP)
        self.book = OrderBook(self.state, self.rows, self.read, schedule, FORGET, ("OrderStatus",))
        self.book.begin(self.now)

    def record(self, value: bytes | None, *headers: tuple[str, bytes]) -> None:
        self.offset += 1
        number = apply_row(self.rows, Record("t", 0, self.offset, self.now_ms, NUMBER.encode(), value, headers))
        if number is not None:
            self.book.row_changed(number, self.now)

    def save(self) -> None:
        self.record(b"row")

    def look(self, status: str | None, *events: VendorEvent, saved_meanwhile: bool = False) -> OrderUpdate | None:
        """Look if the order is due; returns what the step writes about it. None: it is not due."""
        row = self.book.take(self.now)
        if row is None:
            return None
        if saved_meanwhile:
            self.save()
        tracked = Tracked(row.key, "1", self.since, "", None, "00-trace")
        order = None if status is None else order_in(status)
        self.read.at_ms = self.now_ms
        step = self.book.step([AnsweredLook(row, self.now_ms, Look(order, events), tracked)], self.now)
        self.state.accept(step)
        self.book.accept(step, self.now)
        self.steps.append(step)
        (update,) = step.updates
        return update

    def later(self, ms: int = EVERY) -> None:
        self.now_ms += ms

    @property
    def changes(self) -> list[StageChange]:
        return [change for step in self.steps for change in step.changes]

    @property
    def events(self) -> list[str]:
        return [observed.event.id for step in self.steps for observed in step.events]

    @property
    def settled(self) -> int | None:
        """The offset of the row that the last step settles; None: it ends no order."""
        (update,) = self.steps[-1].updates
        return update.look.row.offset if update.done and update.look else None


def order_in(status: str) -> VendorOrder:
    return VendorOrder(NUMBER, Stage(status, None, "", PROGRESS[status]), digest([status]), {"OrderStatus": status})


def event_of(name: str, *, ends: bool = False) -> VendorEvent:
    return VendorEvent(name, digest(name), None, {}, ends)


def test_only_a_change_of_status_is_published_with_the_status_before() -> None:
    life = Life()
    life.save()
    updates = []
    for status in ("N", "N", "A", "N"):
        updates.append(life.look(status))
        life.later()
    assert [(one.op, one.order.stage.name, one.sequence, one.changed) for one in life.changes] == [
        ("created", "N", 1, ()),
        ("updated", "A", 2, ("OrderStatus",)),
        ("updated", "N", 3, ("OrderStatus",)),
    ]
    assert [one.previous and one.previous.name for one in life.changes] == [None, "N", "A"]
    assert [step.is_empty for step in life.steps] == [False, True, False, False]
    assert {one.order.order_id for one in life.changes} == {"1"}
    assert {update and update.order_context["traceparent"] for update in updates} == {"00-trace"}


def test_a_look_without_a_status_changes_no_stage_but_publishes_its_events() -> None:
    """If an empty status were a change, each such answer would be two: to nothing, and back."""
    life = Life()
    life.save()
    life.look("")
    assert (life.changes, life.state.orders) == ([], {})
    life.later()
    life.look("A")
    life.later()
    empty = life.look("", event_of("1"))
    assert empty is not None
    assert (empty.changes, [one.order_status for one in empty.events]) == ((), [None])
    life.later()
    after = life.look("A")
    assert after is not None
    assert not after.changes


def test_an_order_tracked_before_the_first_start_is_a_snapshot() -> None:
    life = Life(since=49_999)
    life.save()
    life.look("N")
    assert [one.op for one in life.changes] == ["snapshot"]


def test_an_order_that_the_vendor_never_shows_is_looked_at_until_it_is_given_up() -> None:
    life = Life()
    life.save()
    updates = []
    while life.rows.rows:
        updates.append(life.look(None))
        life.later()
    assert life.changes == []
    assert life.now_ms >= 100_000 + GIVE_UP
    assert [update.done for update in updates if update][-2:] == [None, Done.GIVEN_UP]
    assert None not in updates


def test_one_answer_does_not_delete_an_order_and_two_answers_apart_do_so_once() -> None:
    life = Life()
    life.save()
    for status in ("N", None, "N", None, None, None):
        life.later()
        life.look(status)
    assert [(one.op, one.order.stage.name, one.order.stage.progress) for one in life.changes] == [
        ("created", "N", "received"),
        ("deleted", "N", "cancelled"),
    ]
    assert life.changes[1].changed == ("OrderStatus",)
    life.later()
    life.look("N")
    assert [(one.op, one.sequence) for one in life.changes[2:]] == [("updated", 3)]


def test_an_ended_order_is_done_by_a_look_after_the_grace_and_not_before() -> None:
    life = Life()
    life.save()
    life.look("N", event_of("1", ends=True))
    life.later(GRACE - 1)
    life.look("N", event_of("1", ends=True))
    assert NUMBER in life.rows.rows
    life.later()
    update = life.look("N", event_of("1", ends=True))
    assert update is not None
    assert (update.done, life.settled, life.rows.rows) == (Done.ENDED, 1, {})
    life.later()
    assert life.look("N") is None


def test_a_late_event_within_the_grace_is_published_and_restarts_the_grace() -> None:
    life = Life()
    life.save()
    life.look("X")
    life.later(GRACE)
    life.look("X", event_of("late"))
    assert (life.events, life.settled) == (["late"], None)
    life.later(GRACE)
    life.look("X", event_of("late"))
    assert life.settled == 1


def test_an_order_saved_again_during_its_last_look_stays() -> None:
    """We may learn of the newer row when the look ends, or only when our tombstone lies above it."""
    life = Life()
    life.save()
    life.look("X")
    life.later(GRACE)
    life.look("X", saved_meanwhile=True)
    assert life.settled is None
    assert life.look("X") is not None, "at once, because it was saved again"
    life.later(GRACE)
    life.look("X")
    assert life.settled == 2
    life.save()
    life.record(None, (SETTLES, b"2"))
    update = life.look("X")
    assert update is not None
    assert update.put_back is not None
    assert (update.put_back.offset, update.put_back.content) == (3, b"row")
    life.record(b"row", (REPEATS, b"3"))
    assert not life.book.has_rows_to_put_back


def test_an_order_saved_again_after_it_was_done_continues_its_sequence() -> None:
    life = Life()
    life.save()
    life.look("X", event_of("1"))
    life.later(GRACE)
    life.look("X", event_of("1"))
    life.later()
    life.save()
    life.begin()
    life.look("N", event_of("1"), event_of("2"))
    assert [one.sequence for one in life.changes] == [1, 2]
    assert life.events == ["1", "2"]


def test_a_done_order_is_forgotten_after_a_long_time_and_a_tracked_one_is_not() -> None:
    life = Life()
    life.save()
    life.look("X")
    life.later(GRACE)
    life.look("X")
    life.later(FORGET)
    life.begin()
    assert life.book.step([], life.now).updates == (OrderUpdate(NUMBER, forgotten=True),)
    life.save()
    life.begin()
    assert life.book.step([], life.now).is_empty


def test_changes_are_complete_up_to_the_oldest_look_and_the_last_row_read() -> None:
    life = Life()
    life.read.at_ms = 90_000
    assert life.book.fresh_ms(life.now) == 90_000
    life.save()
    life.later()
    life.look("N")
    assert life.book.fresh_ms(life.now) == life.now_ms
    life.later(5)
    life.read.at_ms = life.now_ms
    assert life.book.fresh_ms(life.now) == life.now_ms - 5


def test_before_the_first_look_of_all_nothing_is_complete() -> None:
    life = Life()
    life.state.cursor = None
    life.save()
    life.begin()
    assert life.book.fresh_ms(life.now) == 0
