"""A set's changes are published once each, whatever moves while it is read, and whenever the process is killed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.model_set import MINUTE_MS, START_MS, ModelRow, ModelVendor, Rig
from workers.app.poll.set_pass import KEPT_MOVING
from workers.core.poll.cursor import reset_set
from workers.core.poll.sets.failing import MAX_DETAIL_FAILURES
from workers.core.poll.step import Step
from workers.core.poll.vendor_set import DAY_MS, SetKind

KEYS = [str(number) for number in range(12)]
ACTIONS = st.tuples(
    st.sampled_from(["add", "add", "close", "open", "change", "remove", "remove"]), st.sampled_from(KEYS)
)


def action(rig: Rig, what: str, key: str) -> Callable[[], None]:
    """Something that happens at the vendor."""

    def happen() -> None:
        rows = rig.vendor.rows_of
        name = next((one for one in rows if one.partition("-")[0] == key), key)
        row = rows.get(name)
        match what:
            case "add" if row is None:
                rig.vendor.added += 1
                rows[f"{key}-{rig.vendor.added}"] = ModelRow(rig.now_ms)
            case "remove" if row is not None and row.is_open:
                del rows[name]
            case "close" | "open" if row is not None:
                row.status = "Closed" if what == "close" else "Open"
            case "change" if row is not None and row.is_open:
                row.status = f"Hold {rig.now_ms}"

    return happen


async def settle(rig: Rig) -> None:
    """Nothing happens any more: a few readings find all but what has changed of closed rows, full readings find all."""
    rig.vendor.between, rig.vendor.faults, rig.vendor.broken, rig.kills = [], set(), set(), {}
    for _ in range(4):
        await rig.run()
    told = {key: one["status"] for key, one in rig.subscriber.last.items() if one["op"] != "deleted"}
    closed = {key for key, status in told.items() if status == "Closed"}
    assert {key: status for key, status in told.items() if key not in closed} == {
        key: row.status for key, row in rig.vendor.rows_of.items() if key not in closed
    }
    for _ in range(2):
        rig.now_ms += 120 * MINUTE_MS
        for _ in range(3):
            await rig.run()


@dataclass(frozen=True)
class Life:
    """What happens at the vendor, in transit, and to the process."""

    kind: SetKind
    shows_created: bool
    details_at_once: int
    ages: list[int]  # seconds of the rows that are there at the start
    happens: list[tuple[tuple[str, str], int]]  # an action, after so many pages
    faults: set[int]
    kills: dict[int, bool]
    broken: set[str] = field(default_factory=set)  # rows whose details fail


LIVES = st.builds(
    Life,
    kind=st.sampled_from(["created", "whole"]),
    shows_created=st.booleans(),
    details_at_once=st.sampled_from([0, 1, 2, 20]),
    ages=st.lists(st.integers(0, 20 * 1440), max_size=8),
    happens=st.lists(st.tuples(ACTIONS, st.integers(0, 3)), min_size=8, max_size=40),
    faults=st.sets(st.integers(1, 60), max_size=5),
    kills=st.dictionaries(st.integers(1, 25), st.booleans(), max_size=3),
    broken=st.sets(st.sampled_from(KEYS), max_size=3),
)


# The details of the oldest row fail, and then its whole range: ranges after it that were read do not pass for it.
OLDEST_FAILS_TWICE = Life("created", False, 1, [0, 0, 0, 276, 1290], [], faults={13, 23}, kills={})

# A row that the first wide range showed goes when that range is older than the full readings' horizon by one bound.
GOES_AT_THE_HORIZON = Life(
    "created",
    False,
    0,
    [1],
    [*[(("add", "0"), 0)] * 6, (("open", "0"), 0), (("remove", "0"), 0)],
    faults=set(),
    kills={},
)


@settings(max_examples=120, deadline=None)
@example(OLDEST_FAILS_TWICE)
@example(GOES_AT_THE_HORIZON)
@given(LIVES)
def test_each_change_is_published_once(life: Life) -> None:
    """Rows come, change and go between any two pages; requests fail; the process is killed before or after a write."""
    vendor = ModelVendor(life.shows_created, faults=life.faults, broken=life.broken)
    rig = Rig(vendor, life.kind, life.details_at_once, kills=life.kills)
    for key, age in zip(KEYS, life.ages, strict=False):
        rig.vendor.rows_of[key] = ModelRow(START_MS - age * 1000, "Closed" if age % 2 else "Open")

    async def live() -> None:
        for (what, key), pages in life.happens:
            rig.vendor.between += [*([lambda: None] * pages), action(rig, what, key)]
        for _ in range(8):
            await rig.run()
        await settle(rig)

    asyncio.run(live())
    shown = {key: row.status for key, row in rig.vendor.rows_of.items()}
    assert rig.subscriber.present == shown
    assert all(rig.subscriber.last[key]["op"] == "deleted" for key in rig.subscriber.last.keys() - shown)


async def test_after_a_reset_older_rows_are_read_too_and_nothing_is_published_twice() -> None:
    """An operator may go further back than `lookback`, which only a first start looks at."""
    rig = Rig(ModelVendor(shows_created=True), "created")
    rig.vendor.rows_of = {key: ModelRow(START_MS - int(key) * DAY_MS - 2 * MINUTE_MS, "Closed") for key in KEYS[:4]}
    await rig.run()
    assert rig.subscriber.present.keys() == {"0"}, "the others are older than the lookback of a day"
    to_ms = START_MS - 3 * DAY_MS
    rig.written.append(Step(reset_set(rig.cursor, to_ms), set_name="invoices"))
    rig.set_pass = None  # the reset fences the process, which loads its state again
    await rig.run()
    told = {key: (one["op"], one["sequence"]) for key, one in rig.subscriber.last.items()}
    assert told == dict.fromkeys(KEYS[:3], ("snapshot", 1))
    assert rig.cursor.at_ms > START_MS


async def test_a_row_that_pages_pass_over_in_two_passes_is_not_taken_for_deleted() -> None:
    """A row of a former page goes, and the first row of the next page takes the place of the last one unseen."""
    rig = Rig(ModelVendor(shows_created=False), "whole")
    rig.vendor.rows_of = {key: ModelRow(START_MS) for key in KEYS[:8]}
    await rig.run()
    rig.vendor.between = [nothing, nothing, action(rig, "remove", "0")]
    await rig.run()
    rig.vendor.rows_of = {key: row for key, row in rig.vendor.rows_of.items() if key not in {"1", "2"}}
    rig.vendor.between = [nothing, action(rig, "remove", "3")]
    for _ in range(3):
        await rig.run()
    deleted = {key for key, one in rig.subscriber.last.items() if one["op"] == "deleted"}
    assert deleted == {"0", "1", "2", "3"}
    assert all(rig.subscriber.last[key]["sequence"] == 1 for key in KEYS[4:8])


def nothing() -> None:
    """Happens before a page."""


def twenty_rows(**vendor: Any) -> Rig:
    """Twenty rows, published with their lines."""
    rig = Rig(ModelVendor(shows_created=True, **vendor), "whole", details_at_once=20)
    rig.vendor.rows_of = {str(number): ModelRow(START_MS, note=f"line of {number}") for number in range(20)}
    return rig


def lines_of(rig: Rig, key: str) -> str:
    (line,) = rig.subscriber.last[key]["lines"]
    return str(line["description"])


@pytest.mark.parametrize("kind", ["created", "whole", "updated"])
async def test_the_first_picture_asks_for_the_details_of_open_rows_alone(kind: SetKind) -> None:
    """Those of 100,000 closed orders would keep the vendor busy for more than a week."""
    rig = Rig(ModelVendor(shows_created=True), kind, details_at_once=20)
    rig.vendor.rows_of = {key: ModelRow(START_MS, "Open" if key in {"3", "7"} else "Closed") for key in KEYS}
    for _ in range(3):
        await rig.run()
    assert sorted(key for keys in rig.vendor.detailed for key in keys) == ["3", "7"]
    assert {one["sequence"] for one in rig.subscriber.last.values()} == {1}


async def test_a_row_whose_details_fail_holds_no_other_back_and_is_given_up_with_the_details_published_last() -> None:
    """One record that the vendor cannot show must not hide its own change, nor that of another, nor hold the set back.

    Invariant: its event keeps the lines of the one before. An event without them tells that they were withdrawn.
    """
    rig = twenty_rows()
    await rig.run()
    rig.vendor.broken = {"0"}
    for count in range(MAX_DETAIL_FAILURES + 2):
        for key, row in rig.vendor.rows_of.items():
            row.status = f"Hold {count}" if key != "0" else "Hold"
        await rig.run()
        assert rig.subscriber.present["1"] == f"Hold {count}"
        assert lines_of(rig, "19") == "line of 19"
    assert (rig.subscriber.present["0"], rig.subscriber.last["0"]["sequence"], lines_of(rig, "0")) == (
        "Hold",
        2,
        "line of 0",
    )
    assert rig.stats.notes["without_details"] == 2
    assert rig.cursor.beat_ms == rig.now_ms, "the pass was complete"
    rig.vendor.broken = set()
    await rig.run()
    assert rig.subscriber.last["0"]["sequence"] == 2, "the details come back as they were told"
    rig.vendor.rows_of["0"].note, rig.vendor.rows_of["0"].status = "another line", "Open"
    await rig.run()
    assert (rig.subscriber.last["0"]["sequence"], lines_of(rig, "0")) == (3, "another line")


@pytest.mark.parametrize("fault", ["outage", "throttled"])
async def test_while_no_details_can_be_read_no_row_is_given_up(fault: str) -> None:
    """An outage, a throttle, a denied key or a spent budget tells nothing of a row; what changed meanwhile waits."""
    rig = twenty_rows()
    await rig.run()
    setattr(rig.vendor, fault, True)
    rig.vendor.rows_of["0"].status = rig.vendor.rows_of["1"].status = "Hold"
    for _ in range(4 * MAX_DETAIL_FAILURES):
        await rig.run()
    assert {one["sequence"] for one in rig.subscriber.last.values()} == {1}
    setattr(rig.vendor, fault, False)
    await rig.run()
    assert {key for key, status in rig.subscriber.present.items() if status == "Hold"} == {"0", "1"}
    assert (lines_of(rig, "0"), rig.stats.notes["without_details"]) == ("line of 0", 0)


async def test_a_row_that_fails_in_a_quiet_set_is_given_up_because_a_witness_is_read() -> None:
    rig = twenty_rows(broken={"0"})
    rig.vendor.rows_of = {key: rig.vendor.rows_of[key] for key in ("0", "1")}
    for _ in range(MAX_DETAIL_FAILURES + 1):
        await rig.run()
    assert (rig.subscriber.present, rig.subscriber.last["0"].get("lines")) == ({"0": "Open", "1": "Open"}, None)
    assert rig.vendor.detailed[-2:] == [["1"], ["0"]], "a row that is given up needs no witness"


async def test_what_was_updated_is_asked_for_since_the_cursor_and_now_and_then_further_back() -> None:
    rig = Rig(ModelVendor(shows_created=False), "updated")
    rig.vendor.rows_of = {"0": ModelRow(START_MS)}
    for _ in range(3):
        await rig.run()
    rig.now_ms += 90 * MINUTE_MS
    await rig.run()
    first, second, third, further = [asked.since_ms for asked in rig.vendor.asked]
    assert first == START_MS + MINUTE_MS - 86_400_000, "the look back of the first start"
    assert [third - second, rig.now_ms - further] == [MINUTE_MS, 360 * MINUTE_MS]
    assert rig.subscriber.last["0"]["op"] == "snapshot"


async def test_an_update_that_only_a_look_further_back_shows_is_counted_as_late() -> None:
    rig = Rig(ModelVendor(shows_created=False), "updated")
    rig.vendor.rows_of = {key: ModelRow(START_MS, modified_ms=START_MS) for key in KEYS[:3]}
    await rig.run()
    rig.vendor.rows_of["0"] = ModelRow(START_MS, "Hold", modified_ms=rig.now_ms)
    await rig.run()
    assert rig.stats.late_found == 0
    rig.now_ms += 90 * MINUTE_MS
    await rig.run()  # moves the cursor on
    rig.now_ms += 90 * MINUTE_MS
    rig.vendor.rows_of["0"] = ModelRow(START_MS, "Hold", modified_ms=rig.now_ms)
    rig.vendor.rows_of["1"] = ModelRow(START_MS, "Hold", modified_ms=START_MS + MINUTE_MS)
    await rig.run()
    assert (rig.subscriber.present["1"], rig.stats.late_found) == ("Hold", 1)


async def test_further_days_are_read_at_first_later_ones_with_each_look_back_and_earlier_ones_with_a_sweep() -> None:
    """They are asked for since they were read last: a row that changes far ahead is in no beat's answer."""
    rig = Rig(ModelVendor(shows_created=False), "updated", days_beyond=2, sweep_every_s=3 * 3600.0)

    async def run(minutes: int) -> list[tuple[int, int]]:
        """(the first day relative to today, for how many minutes back) of each request of one pass."""
        rig.now_ms += minutes * MINUTE_MS
        rig.vendor.asked.clear()
        await rig.run()
        today_ms = rig.now_ms // DAY_MS * DAY_MS
        found = rig.vendor.asked
        return [((one.days.start_ms - today_ms) // DAY_MS, (rig.now_ms - one.since_ms) // MINUTE_MS) for one in found]

    first = START_MS + MINUTE_MS
    assert await run(0) == [(0, 1440), (1, 1440), (-2, 1440)], "the look back of the first start"
    assert await run(0) == [(0, 2)]
    assert await run(70) == [(0, 360), (1, 73)]
    assert await run(120) == [(0, 360), (1, 122), (-2, (rig.now_ms - first) // MINUTE_MS + 1)]


async def test_a_row_that_the_first_walk_passes_over_is_a_snapshot_too() -> None:
    """It existed before the poller, whose first picture ends only when two walks agree."""
    rig = Rig(ModelVendor(shows_created=False), "whole")
    rig.vendor.rows_of = {key: ModelRow(START_MS) for key in KEYS[:8]}
    rig.vendor.between = [nothing, nothing, action(rig, "remove", "0")]
    for _ in range(2):
        await rig.run()
    assert {key: rig.subscriber.last[key]["op"] for key in KEYS[1:8]} == dict.fromkeys(KEYS[1:8], "snapshot")


async def test_a_set_whose_rows_moved_in_all_walks_of_a_pass_is_no_fresher_and_says_so() -> None:
    """What the walks showed is published, but a row may be hidden still; the next walks that agree end it."""
    rig = Rig(ModelVendor(shows_created=False), "whole")
    rig.vendor.rows_of = {key: ModelRow(START_MS) for key in KEYS[:8]}
    await rig.run()
    complete_ms = rig.cursor.at_ms
    rig.vendor.rows_of["7"].status = "Hold"
    rig.vendor.between = [nothing, lambda: turn_round(rig.vendor), nothing, nothing] * 3
    await rig.run()
    assert (rig.cursor.at_ms, rig.stats.polls, rig.stats.notes[KEPT_MOVING]) == (complete_ms, 1, 1)
    assert rig.subscriber.present["7"] == "Hold"
    assert "fresh_until stays" in (rig.stats.last_error or "")
    await rig.run()
    assert rig.cursor.at_ms > complete_ms
    assert rig.stats.last_error is None


def turn_round(vendor: ModelVendor) -> None:
    """The vendor sorts its rows the other way."""
    vendor.rows_of = dict(reversed(vendor.rows_of.items()))
