"""What became of orders is read from the rows that the worker writes, whatever rows lie between."""

from dataclasses import replace

import pytest

from workers.app.config.specs import SinkSpec
from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import (
    ABSENT_MAX_S,
    NOTICE_EVERY_S,
    End,
    ProgressNotice,
    RequestTracker,
    WorkerPresence,
    commands,
    discard_command,
)
from workers.core.parked.fence import NO_KEY, Fence, OrderKey, ParkReason
from workers.core.parked.rows import DiscardCommand, ReplayCommand, command_key, command_row, fence_row, read_row
from workers.core.record import Record
from workers.edges.kafka.client import KafkaFailed

FENCE = Fence(ParkReason.REJECTED, "no", 7, 2, 0, 1)
SINK = SinkSpec(name="ecdp-sink", vendor="ecdp", consumes=("a",), parks="ecdp-parked", credentials="ECDP")


def row(key: str, value: bytes | None) -> Record:
    return Record("ecdp-parked-state", 0, 0, 0, key.encode(), value)


def tracker(*order_ids: str) -> RequestTracker:
    made = RequestTracker("c1")
    made.add("\0asked", [ParkedOrder(0, order_id, FENCE) for order_id in order_ids], pick_up_until=100.0)
    return made


def results(made: RequestTracker, *rows: Record) -> list[tuple[str, End]]:
    return [(one.order.order_id, one.end) for record in rows for one in made.apply(record)]


def test_order_is_gone_when_its_fence_is_deleted() -> None:
    made = tracker("A", "B")
    assert results(made, row("A", None), row("A", None), row("other", None)) == [("A", End.GONE)]
    assert set(made.open) == {OrderKey(0, "B")}


def test_order_stays_when_this_command_has_changed_its_fence() -> None:
    made = tracker("A")
    meanwhile = replace(FENCE, records=3)
    refused = FENCE.refused(ParkReason.INVALID, "why", 0, "c1")
    assert results(made, row("A", fence_row(meanwhile)), row("A", fence_row(replace(FENCE, command="c0")))) == []
    assert results(made, row("A", fence_row(refused))) == [("A", End.STAYS)]


def test_order_is_gone_when_it_has_a_later_fence() -> None:
    assert results(tracker("A"), row("A", fence_row(replace(FENCE, since_ms=8)))) == [("A", End.GONE)]


def test_orders_that_a_finished_command_did_not_change_are_skipped() -> None:
    made = tracker("A", "B")
    assert results(made, row("A", None), row("\0asked", None)) == [("A", End.GONE), ("B", End.SKIPPED)]
    assert not made.open


def test_a_command_expires_only_if_no_worker_took_it() -> None:
    made = tracker("A")
    assert list(made.expire(99.0)) == []
    assert [one.end for one in made.expire(101.0)] == [End.NOT_PICKED_UP]
    taken = tracker("A")
    assert results(taken, row("\0asked", command_row(ReplayCommand("c1", {"A": 7}, 1, taken=True)))) == []
    assert taken.all_taken
    assert list(taken.expire(101.0)) == []
    assert set(taken.open) == {OrderKey(0, "A")}


def test_an_order_in_two_partitions_has_a_result_in_each() -> None:
    made = RequestTracker("c1")
    for number in range(2):
        made.add(f"\0asked/{number}", [ParkedOrder(number, "A", FENCE)], pick_up_until=100.0)
    second = row("A", None)._replace(partition=1)
    assert [(one.order.partition_number, one.end) for one in made.apply(second)] == [(1, End.GONE)]
    assert set(made.open) == {OrderKey(0, "A")}


def test_an_unreadable_row_gives_no_result() -> None:
    made = tracker("A")
    assert results(made, row("A", b"garbage")) == []
    assert set(made.open) == {OrderKey(0, "A")}


def test_orders_of_one_partition_share_commands_that_name_their_fences() -> None:
    orders = [ParkedOrder(number % 2, f"O{number}", replace(FENCE, since_ms=number)) for number in range(500)]
    made = RequestTracker("c1")
    sent = list(commands(SINK, orders, discard_command("ada", "why", first_only=True), made, now=5.0, now_ms=1_000))
    assert {one.partition.topic for one in sent} == {"ecdp-parked-state"}
    rows = [read_row(one.value) for one in sent]
    discards = [one for one in rows if isinstance(one, DiscardCommand)]
    assert len(discards) == len(sent) == 4
    assert all(len(one.orders) <= 200 and one.by == "ada" and one.expires_ms == 121_000 for one in discards)
    named = {name: since for one in discards for name, since in one.orders.items()}
    assert named == {order.order_id: order.fence.since_ms for order in orders}
    assert {key.order_id for key in made.open} == set(named)
    assert len({one.key for one in sent}) == 4


def test_a_commands_key_is_never_the_key_of_a_fence() -> None:
    (sent,) = commands(SINK, [ParkedOrder(0, "A", FENCE)], ReplayCommand, RequestTracker("c1"), now=0.0, now_ms=0)
    assert sent.key.startswith(b"\0")
    assert sent.key.decode() != NO_KEY
    assert command_key("x") != NO_KEY.encode()


def test_without_a_worker_the_request_fails_at_once() -> None:
    with pytest.raises(KafkaFailed, match="relay run ecdp-sink"):
        WorkerPresence(SINK, list, now=0.0)


def test_a_restart_of_the_worker_is_waited_for_but_not_for_ever() -> None:
    members = ["host-1"]
    presence = WorkerPresence(SINK, lambda: members, now=0.0)
    members.clear()
    presence.check(3, ABSENT_MAX_S / 2)
    with pytest.raises(KafkaFailed, match="3 orders are not done"):
        presence.check(3, ABSENT_MAX_S + 6.0)


def test_a_notice_is_printed_when_no_result_has_come_for_a_while() -> None:
    printed: list[str] = []
    notice = ProgressNotice(SINK.name, printed.append, since=0.0)
    late = NOTICE_EVERY_S + 1.0
    notice.update(3, NOTICE_EVERY_S - 1.0, came=False, taken=False)
    assert printed == []
    notice.update(3, late, came=False, taken=False)
    notice.update(3, 2 * late, came=True, taken=True)
    notice.update(3, 3 * late, came=False, taken=True)
    first, second = printed
    assert "3 orders left" in first
    assert "relay run ecdp-sink" in first
    assert "/status" in second
