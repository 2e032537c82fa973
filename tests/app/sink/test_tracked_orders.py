"""What a sink remembers of an order at the vendor: written as a row, read back, watched, gone with its tombstone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.sink_rig import CREATED, Rig
from workers.app.sink.shard import Shard
from workers.app.sink.status.status import sink_status
from workers.app.sink.status.waiting import waiting_status
from workers.app.sink.tracked_orders import TrackedRows
from workers.core.consume.lanes import Entry
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.core.parked.fence import Fence, ParkReason
from workers.core.poll.compacted_rows import REPEATS, SETTLES
from workers.core.record import Record
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic
from workers.edges.kafka.transactions import Outgoing

TOPIC = "ecourier-tracked-orders"
SCHEMA = Path(__file__).parents[3] / f"schemas/{TOPIC}.avsc"
MARK = Mark("OR-A", "hash-1")
DAY = 86_400
NOW_S = 1_000_000.0


@pytest.fixture
def codec() -> Codec:
    return Codec({TOPIC: load_topic(TOPIC, SCHEMA)}, lambda: 0.0)


@pytest.fixture
def rig(codec: Codec) -> Rig:
    return Rig(codec=codec, tracks=TOPIC)


@pytest.fixture
def shard(rig: Rig) -> Shard:
    rig.shard.tracked_loaded = False
    return rig.shard


class Remembering:
    """Deliveries, whose rows a test takes from the queue."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def remember(self, shard: Shard, entry: Entry, mark: Mark) -> Outgoing:
        self._rig.tracked.remember(shard, entry, mark)
        write = shard.writes.next_writes()[-1]
        assert write.entry is entry
        assert write.extra_record is not None
        return write.extra_record


@pytest.fixture
def tracking(rig: Rig) -> Remembering:
    return Remembering(rig)


class Reading:
    """The rows of one shard; `read` returns when all of them have been taken in."""

    def __init__(self, codec: Codec, shard: Shard) -> None:
        self.failures: list[Exception] = []
        self._shard = shard
        self._done = asyncio.Event()
        self.rows = TrackedRows(codec, {0: shard}, self, self.failures.append)

    def loaded(self, shard: Shard) -> None:
        assert shard.tracked_loaded
        self._done.set()

    async def read(self, *rows: Outgoing | Record | None) -> dict[str, Tracked]:
        """None: the tombstone of order A, which settles whatever lies before it."""
        self.rows.rows(0, [row if isinstance(row, Record) else _record(at, row) for at, row in enumerate(rows)])
        self._done.clear()
        self.rows.loaded(0)
        await asyncio.wait_for(self._done.wait(), 5)
        return self._shard.tracked


@pytest.fixture
async def reading(codec: Codec, shard: Shard) -> AsyncIterator[Reading]:
    made = Reading(codec, shard)
    yield made
    made.rows.close()
    assert made.failures == []


def _record(offset: int, row: Outgoing | None) -> Record:
    return Record(TOPIC, 0, offset, 0, b"OR-A" if row is None else row.key, row.value if row else None)


async def test_what_was_written_is_what_the_next_owner_reads(
    tracking: Remembering, rig: Rig, shard: Shard, reading: Reading
) -> None:
    row = tracking.remember(shard, rig.entry("A", CREATED), MARK)
    (written,) = shard.tracked.values()
    shard.tracked.clear()
    assert await reading.read(row) == {"A": written}
    assert (written.order_number, written.content_hash, written.since_ms) == ("OR-A", "hash-1", 1_000_000)


def test_a_cancellation_keeps_when_the_order_was_first_delivered(tracking: Remembering, rig: Rig, shard: Shard) -> None:
    tracking.remember(shard, rig.entry("A", CREATED), MARK)
    rig.now[0] += 5
    tracking.remember(shard, rig.entry("A"), replace(MARK, canceled=True))
    kept = shard.tracked["A"]
    assert (kept.since_ms, kept.canceled_at_ms) == (1_000_000, 1_005_000)


async def test_a_tombstone_forgets_the_order_whoever_wrote_its_row(
    tracking: Remembering, rig: Rig, shard: Shard, reading: Reading
) -> None:
    """Rows of our own come back too: without their numbers the memory of finished orders would grow for ever."""
    shard.tracked_loaded = True
    row = tracking.remember(shard, rig.entry("A", CREATED), MARK)
    assert set(await reading.read(row)) == {"A"}
    assert await reading.read(None) == {}


def _settles(offset: int, settled: int) -> Record:
    return Record(TOPIC, 0, offset, 0, b"OR-A", None, ((SETTLES, str(settled).encode()),))


def _again(offset: int, row: Outgoing, first: int) -> Record:
    return Record(TOPIC, 0, offset, 0, row.key, row.value, ((REPEATS, str(first).encode()),))


async def test_a_tombstone_for_an_older_row_does_not_forget_a_newer_one(
    tracking: Remembering, rig: Rig, shard: Shard, reading: Reading
) -> None:
    """The poller ends what it knows of, while the order is saved again."""
    first = tracking.remember(shard, rig.entry("A", CREATED), MARK)
    second = tracking.remember(shard, rig.entry("A", CREATED), replace(MARK, content_hash="hash-2"))
    shard.tracked.clear()
    assert (await reading.read(first, second, _settles(2, 0)))["A"].content_hash == "hash-2"
    shard.tracked_loaded = True
    assert (await reading.read(_settles(3, 0)))["A"].content_hash == "hash-2"
    assert await reading.read(_settles(4, 1)) == {}


async def test_a_mark_whose_row_is_still_on_its_way_is_not_forgotten(
    tracking: Remembering, rig: Rig, shard: Shard, reading: Reading
) -> None:
    shard.tracked_loaded = True
    first = tracking.remember(shard, rig.entry("A", CREATED), MARK)
    second = tracking.remember(shard, rig.entry("A", CREATED), replace(MARK, content_hash="hash-2"))
    assert (await reading.read(first, _settles(1, 0)))["A"].content_hash == "hash-2"
    assert (await reading.read(_record(2, second)))["A"].content_hash == "hash-2"


async def test_a_row_that_was_put_back_does_not_replace_a_newer_one(
    tracking: Remembering, rig: Rig, shard: Shard, reading: Reading
) -> None:
    first = tracking.remember(shard, rig.entry("A", CREATED), MARK)
    second = tracking.remember(shard, rig.entry("A", CREATED), replace(MARK, content_hash="hash-2"))
    shard.tracked.clear()
    rows = [_record(4, first), _settles(5, 1), _record(6, second), _again(7, first, 4)]
    assert (await reading.read(*rows))["A"].content_hash == "hash-2"


async def test_a_row_that_was_put_back_is_all_that_compaction_left(
    tracking: Remembering, rig: Rig, shard: Shard, reading: Reading
) -> None:
    first = tracking.remember(shard, rig.entry("A", CREATED), MARK)
    shard.tracked.clear()
    assert set(await reading.read(_again(7, first, 4))) == {"A"}
    assert await reading.read(_settles(8, 4)) == {}


async def test_error_that_ends_the_reading_is_reported(shard: Shard) -> None:
    """Its orders would wait for ever, without a word in the log."""

    class Broken:
        def decode_any(self, topic: str, value: bytes) -> None:  # noqa: ARG002
            raise ZeroDivisionError

    errors: asyncio.Queue[Exception] = asyncio.Queue()
    rows = TrackedRows(Broken(), {0: shard}, None, errors.put_nowait)  # type: ignore[arg-type]
    rows.rows(0, [Record(TOPIC, 0, 0, 0, b"OR-A", b"?")])
    assert isinstance(await asyncio.wait_for(errors.get(), 5), ZeroDivisionError)


@pytest.fixture
def begun() -> Rig:
    """Two half-made orders, the older one begun two days ago, and one that is finished."""
    made = Rig(vendor="komet", tracks=TOPIC)
    made.now[0] = NOW_S
    for order_id, days, stage in (("A", 2, "open"), ("B", 1, "begun"), ("C", 9, "")):
        since_ms = round((NOW_S - days * DAY) * 1000)
        made.shard.track(Tracked("7", order_id, since_ms, "h", stage=stage))
    return made


def shown(rig: Rig) -> tuple[Any, ...]:
    status = sink_status(rig.context, rig)
    return tuple(status[f"half_made_{name}"] for name in ("orders", "oldest_seconds", "oldest_order", "life_seconds"))


def test_the_oldest_half_made_order_is_named_with_its_age_and_the_life_that_the_vendor_gives_it(begun: Rig) -> None:
    assert shown(begun) == (2, 2 * DAY, "A", 3 * DAY)


def test_an_order_that_has_passed_its_life_counts_while_it_is_parked_or_waits_here(begun: Rig) -> None:
    """Its operator has still to act. One that was discarded is gone at the vendor too."""
    begun.now[0] += 1.5 * DAY
    assert shown(begun)[:3] == (1, 2.5 * DAY, "B")
    begun.fence("A", Fence(ParkReason.GAVE_UP, "HTTP 500", 0, 1))
    assert shown(begun)[:3] == (2, 3.5 * DAY, "A")
    begun.fence("A", None)
    begun.add("A")
    assert shown(begun)[:3] == (2, 3.5 * DAY, "A")


def test_an_order_that_waits_says_until_when_the_vendor_keeps_what_there_is_of_it(begun: Rig) -> None:
    begun.add("A", "C")
    rows = {row["order_id"]: row["half_made_until"] for row in waiting_status(begun.context, begun)["orders"]}
    assert rows == {"A": "1970-01-13T13:46:40.000Z", "C": None}


def test_an_order_is_half_made_from_its_first_mark_until_a_finished_one(begun: Rig) -> None:
    entry = begun.entry("D")
    begun.tracked.remember(begun.shard, entry, Mark("8", stage="open"))
    assert shown(begun)[0] == 3
    begun.tracked.remember(begun.shard, entry, Mark("8", "h"))
    assert shown(begun)[0] == 2


def test_at_a_vendor_that_keeps_what_was_begun_no_order_is_half_made() -> None:
    rig = Rig(tracks=TOPIC)
    rig.shard.track(Tracked("7", "A", 0, "", stage="open"))
    assert shown(rig) == (0, 0.0, None, None)
