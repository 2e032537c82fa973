"""What became of orders is read from the rows that their worker writes, whatever lies between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workers.app.config.specs import SinkSpec
from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import (
    TAKEN_WITHIN,
    Asking,
    End,
    Following,
    Quiet,
    Watch,
    commands,
    discards,
    replays,
)
from workers.core.parked.commands import DiscardCommand, ReplayCommand, command_key, command_row
from workers.core.parked.fence import NO_KEY, Fence, ParkReason
from workers.core.parked.rows import fence_row, read_row
from workers.core.record import Record
from workers.edges.kafka.client import KafkaConnection, KafkaFailed

FENCE = Fence(ParkReason.REJECTED, "no", 7, 2, 0, 1)
SINK = SinkSpec(name="ecdp-sink", vendor="ecdp", consumes=("a",), parks="ecdp-parked", credentials="ECDP")


def row(key: str, value: bytes | None) -> Record:
    return Record("ecdp-parked-state", 0, 0, 0, key.encode(), value)


def following(*names: str) -> Following:
    made = Following("c1")
    made.asked("\0asked", [ParkedOrder(0, name, FENCE) for name in names], until=100.0)
    return made


def results(made: Following, *rows: Record) -> list[tuple[str, End]]:
    return [(one.order.order_id, one.end) for record in rows for one in made.row(record)]


def test_a_fence_that_goes_is_the_orders_end() -> None:
    made = following("A", "B")
    assert results(made, row("A", None), row("A", None), row("other", None)) == [("A", End.GONE)]
    assert set(made.open) == {(0, "B")}


def test_a_fence_that_was_changed_by_this_command_stays() -> None:
    made = following("A")
    meanwhile = replace(FENCE, records=3)
    refused = FENCE.refused(ParkReason.INVALID, "why", 0, "c1")
    assert results(made, row("A", fence_row(meanwhile)), row("A", fence_row(replace(FENCE, command="c0")))) == []
    assert results(made, row("A", fence_row(refused))) == [("A", End.STAYS)]


def test_a_later_fence_of_the_order_is_another_story() -> None:
    assert results(following("A"), row("A", fence_row(replace(FENCE, since_ms=8)))) == [("A", End.GONE)]


def test_a_command_that_goes_leaves_alone_what_it_has_not_touched() -> None:
    made = following("A", "B")
    assert results(made, row("A", None), row("\0asked", None)) == [("A", End.GONE), ("B", End.LEFT)]
    assert not made.open


def test_only_a_command_that_nobody_took_is_late() -> None:
    made = following("A")
    assert list(made.late(99.0)) == []
    assert [one.end for one in made.late(101.0)] == [End.UNTAKEN]
    taken = following("A")
    assert results(taken, row("\0asked", command_row(ReplayCommand("c1", {"A": 7}, 1, taken=True)))) == []
    assert list(taken.late(101.0)) == []


def test_an_order_in_two_partitions_has_an_end_in_each() -> None:
    made = Following("c1")
    for number in range(2):
        made.asked(f"\0asked/{number}", [ParkedOrder(number, "A", FENCE)], until=100.0)
    second = row("A", None)._replace(partition=1)
    assert [(one.order.number, one.end) for one in made.row(second)] == [(1, End.GONE)]
    assert set(made.open) == {(0, "A")}


def test_orders_of_one_partition_share_commands_that_name_the_fences_meant() -> None:
    orders = [ParkedOrder(number % 2, f"O{number}", replace(FENCE, since_ms=number)) for number in range(500)]
    made = Following("c1")
    sent = list(commands(SINK, orders, discards("ada", "why", first_only=True), made))
    assert {at.topic for at, _, _ in sent} == {"ecdp-parked-state"}
    rows = [read_row(value) for _, _, value in sent]
    assert all(isinstance(one, DiscardCommand) and len(one.orders) <= 200 and one.by == "ada" for one in rows)
    named = {name: since for one in rows if isinstance(one, DiscardCommand) for name, since in one.orders.items()}
    assert named == {order.order_id: order.fence.since_ms for order in orders}
    assert {order_id for _, order_id in made.open} == set(named)
    assert len({key for _, key, _ in sent}) == len(sent) == 4


def test_a_commands_key_meets_no_orders_fence() -> None:
    (sent,) = commands(SINK, [ParkedOrder(0, "A", FENCE)], replays(), Following("c1"))
    assert sent[1].startswith(b"\0")
    assert sent[1].decode() != NO_KEY
    assert command_key("x") != NO_KEY.encode()


def test_without_a_worker_it_is_said_at_once_and_a_restart_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("workers.app.inspect.parked_requests.monotonic", lambda: now[0])
    members: list[str] = []
    watch = Watch(SINK, lambda: members)
    with pytest.raises(KafkaFailed, match="relay run ecdp-sink"):
        watch.first_look()
    members.append("host-1")
    watch.first_look()
    members.clear()
    now[0] = 30.0
    watch.look(3)
    now[0] = TAKEN_WITHIN
    with pytest.raises(KafkaFailed, match="3 orders are not done"):
        watch.look(3)


def test_who_waits_is_told_now_and_then_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [0.0], list[str]()
    monkeypatch.setattr("workers.app.inspect.parked_requests.monotonic", lambda: now[0])
    quiet = Quiet(Asking(KafkaConnection(), SINK, {}, say=said.append), since=0.0)
    for now[0], came, taken in ((9.0, False, False), (11.0, False, False), (20.0, True, True), (31.0, False, True)):
        quiet.look(3, came=came, taken=taken)
    first, second = said
    assert "3 orders left" in first
    assert "relay run ecdp-sink" in first
    assert "/status" in second


def test_a_row_of_garbage_ends_nothing() -> None:
    made = following("A")
    assert results(made, row("A", b"garbage")) == []
    assert set(made.open) == {(0, "A")}
