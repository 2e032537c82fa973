"""An order's records are found as the sinks read them, and each has its ends at their own time."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from tests.support.order_rig import Cluster, timeline_of
from workers.app.inspect.order_history import read_timeline
from workers.app.inspect.order_timeline import VENDOR_EVENT, Timeline, TimelineEntry, WaitingPlace
from workers.app.inspect.order_verdict import states, verdict
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking, discard_headers, parked_headers
from workers.core.parked.rows import DiscardCommand
from workers.core.record import CommitPoint, Partition, Record

CREATED, STATUS = "order-created", "order-status"


SINK: Any = SimpleNamespace(
    name="ecdp-sink",
    vendor="ecdp",
    group="g",
    consumes=(CREATED, STATUS),
    parks="p",
    parked_state="s",
    receipts="r",
    tracks=None,
)
CONFIG: Any = SimpleNamespace(sinks={"ecdp-sink": SINK}, pollers={})
PUBLISHED_MS = 1_795_820_202_659
FIRST = {"order": {"order_id": "A-1"}}


class Story:
    """One order's records in Kafka."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.created = self.cluster.append(CREATED, "A-1", value=orjson.dumps(FIRST), ms=PUBLISHED_MS)
        self.waiting: dict[WaitingPlace, str] = {}
        self.stopped: dict[tuple[str, Partition], str] = {}
        self.answered: frozenset[str] | None = None

    def receipt(self, after_ms: int, outcome: str, record: Record | None = None, **more: Any) -> None:
        source = record or self.created
        receipt = {"order_id": "A-1", "topic": source.topic, "offset": source.offset, "outcome": outcome}
        receipt |= {"finished_at": PUBLISHED_MS + after_ms, "reason": None, "http_status": None, "attempts": 1}
        value = orjson.dumps({"receipts": [receipt | {"vendor_ref": None} | more]})
        self.cluster.append("r", "A-1", value=value, ms=PUBLISHED_MS + after_ms)

    def park(self, after_ms: int, reason: ParkReason = ParkReason.REJECTED, replays: int = 0) -> Record:
        parking = Parking(reason, "HTTP 400: no", 400, 1, replays=replays)
        own = parked_headers(self.created, "ecdp-sink", parking, PUBLISHED_MS + after_ms)
        return self.cluster.append("p", "A-1", value=self.created.value, headers=own)

    def read(self, committed: int = 0) -> Timeline:
        timeline = timeline_of(self.cluster, "A-1")
        timeline.asked_at_ms, timeline.waiting = PUBLISHED_MS + 1_000_000, self.waiting
        timeline.stopped, timeline.answered = self.stopped, self.answered
        read_timeline(timeline, CONFIG, lambda _: {self.created.at: CommitPoint(committed, "")})
        return timeline


def told(timeline: Timeline) -> list[tuple[str, str]]:
    return [(entry.state, entry.what) for entry in timeline.entries]


def test_a_delivery_has_the_time_of_its_receipt_and_the_vendors_answer() -> None:
    story = Story()
    story.receipt(99_000, "delivered", http_status=201, attempts=3, vendor_ref="OR-1", reason="gate shut meanwhile")
    timeline = story.read(1)
    assert told(timeline) == [
        ("published", "order published"),
        ("delivered", "delivered, HTTP 201, 3 tries, as OR-1, gate shut meanwhile"),
    ]
    assert [entry.at_ms - PUBLISHED_MS for entry in timeline.entries] == [0, 99_000]
    assert verdict(timeline, CONFIG) == (
        "ECDP: delivered 22:58:21, 99 s after publication, gate shut meanwhile; nothing parked"
    )


@pytest.mark.parametrize(
    ("outcome", "reason", "what", "said"),
    [
        ("found", None, "found at the vendor", "found there 22:56:43, 1.0 s after publication"),
        ("skipped", "no delivery", "skipped: no delivery", "nothing to send: no delivery"),
        ("passed_over", "by ada: late", "passed over by ada: late", "passed over by ada: late"),
    ],
)
def test_each_outcome_has_its_words(outcome: str, reason: str | None, what: str, said: str) -> None:
    story = Story()
    story.receipt(1_000, outcome, reason=reason)
    timeline = story.read(1)
    assert told(timeline)[1] == (outcome, what)
    assert verdict(timeline, CONFIG) == f"ECDP: {said}; nothing parked"


def test_a_record_parked_twice_and_then_delivered_is_three_lines_in_sequence() -> None:
    story = Story()
    story.receipt(1_000, "parked", reason="rejected")
    story.park(1_000)
    story.receipt(2_000, "parked", reason="invalid")
    story.park(2_000, ParkReason.INVALID, replays=1)
    story.receipt(3_000, "delivered")
    assert told(story.read(1)) == [
        ("published", "order published"),
        ("parked", "parked: rejected: HTTP 400: no"),
        ("parked", "parked: invalid: HTTP 400: no"),
        ("delivered", "delivered"),
    ]


def test_a_discard_is_told_once_with_who_and_why() -> None:
    story = Story()
    story.receipt(1_000, "parked", reason="rejected")
    story.park(1_000)
    story.receipt(2_000, "discarded", reason="by ada: cancelled")
    trace = discard_headers("ecdp-sink", DiscardCommand("c", {}, 0, "ada", "cancelled"), 1, (1, 1), datetime.now(UTC))
    story.cluster.append("p", "A-1", headers=trace)
    timeline = story.read(1)
    assert told(timeline)[2:] == [("discarded", "discarded by ada: cancelled")]
    assert verdict(timeline, CONFIG) == "ECDP: discarded by ada: cancelled; nothing parked"


def test_below_the_commit_without_a_receipt_nothing_is_claimed() -> None:
    timeline = Story().read(1)
    assert told(timeline)[1] == ("no_receipt", "no receipt: it is finished, and what became of it is not known")
    assert verdict(timeline, CONFIG) == "ECDP: finished, no receipt says how; nothing parked"


def test_a_record_that_waits_says_why_when_its_worker_does() -> None:
    story = Story()
    assert told(story.read())[1] == ("waits", "waits")
    story.waiting[WaitingPlace("ecdp-sink", story.created.at, 0)] = "gate shut (denied), since 22:56:44"
    timeline = story.read()
    assert told(timeline)[1] == ("waits", "waits: gate shut (denied), since 22:56:44")
    assert verdict(timeline, CONFIG) == (
        "ECDP: waits since 22:56:42: gate shut (denied), since 22:56:44; nothing parked"
    )
    assert states(timeline) == {"ecdp-sink": "waits"}


def test_a_record_that_waits_says_that_its_partition_is_stopped_or_that_no_process_runs_its_sink() -> None:
    story = Story()
    story.stopped = {("ecdp-sink", story.created.at): "its commit is gone"}
    stopped = f"waits: {story.created.at} is stopped: its commit is gone; 'relay offsets ecdp-sink --to ...' decides"
    assert told(story.read())[1] == ("waits", stopped)
    story.stopped, story.answered = {}, frozenset({"ecourier-sink"})
    assert told(story.read())[1][1].startswith("waits: no process that was asked runs ecdp-sink")


def test_a_parked_record_of_a_release_without_receipts_is_told_from_the_parked_topic() -> None:
    story = Story()
    story.park(1_000)
    assert told(story.read(1))[1:] == [
        ("parked", "parked: rejected: HTTP 400: no"),
        ("no_receipt", "replayed since; no receipt says when"),
    ]


def test_the_gravest_end_is_the_verdict() -> None:
    story = Story()
    story.receipt(1_000, "delivered")
    story.cluster.put(STATUS, "A-1", order_id="A-1", status="paid")
    assert verdict(story.read(1), CONFIG).startswith("ECDP: 1 of 2 records waits since")


def test_a_vendors_event_of_a_whole_second_comes_after_what_was_published_in_that_second() -> None:
    at = Partition(CREATED, 0)
    published = TimelineEntry(5_278, "order published", "publisher", at, 0, state="published")
    event = TimelineEntry(5_000, "event Order create", "ecourier", at, 0, rank=5, state=VENDOR_EVENT)
    later = TimelineEntry(6_001, "delivered", "ecdp-sink", at, 0, state="delivered")
    assert sorted([event, later, published], key=lambda one: one.place_in_time) == [published, event, later]


def test_the_id_in_the_value_decides_and_the_key_only_if_the_value_is_undecodable() -> None:
    cluster = Cluster()
    order: dict[str, Any] = {"order": {"order_id": "A-1", "note": "A-1"}}
    cluster.put(CREATED, "A-1", **order)
    cluster.put(CREATED, "wrong", at="A-1", **order)
    cluster.put(CREATED, "A-1", order={"order_id": "A-2"})
    cluster.put(CREATED, "A-2", at="A-1", order={"order_id": "A-2", "note": "like A-1"})
    cluster.put(STATUS, "A-1", at="A-1")
    cluster.put(STATUS, "A-2", at="A-1", order_id="A-1", status="paid")
    timeline = timeline_of(cluster, "A-1")
    read_timeline(timeline, CONFIG, lambda _: {})
    assert [(one.where.topic, one.offset, one.what) for one in timeline.entries if one.by == "publisher"] == [
        (CREATED, 0, "order published"),
        (CREATED, 1, "order published"),
        (STATUS, 4, "published, undecodable"),
        (STATUS, 5, "status paid published"),
    ]
