"""A poller's part of `/status` and `/metrics`: the contract's names, true numbers, no order numbers."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from workers.app.config.specs import PollerSpec
from workers.app.poll.context import OrderPolling, PollerContext
from workers.app.poll.shard import PollShard
from workers.app.poll.stats import LookGauges, PollGauges, PollStats
from workers.app.poll.status import poll_status
from workers.app.runtime.metrics import Reading, metrics_text
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.metrics import metrics_of
from workers.core.poll.cursor import Cursor
from workers.core.record import Record
from workers.edges.http.variable_names import VariableNames

NOW_MS = 1_770_000_000_000
CONTRACT = {
    "kind", "state", "shards", "fresh_until", "behind_seconds", "orders", "in_flight", "gate", "polls_total",
    "events_total", "late_found_total", "rebalances_total", "notes", "last_error",
}  # fmt: skip


def context(**more: Any) -> PollerContext:
    common = {"name": "poller", "vendor": "dcl", "publishes": ["stages"], "state": "state", "credentials": "X"}
    unused: Any = None
    return PollerContext(
        spec=PollerSpec.model_validate(common | {"every": "10s"} | more),
        polling=OrderPolling(unused, "tracked", asyncio.Semaphore(1)) if "follows" in more else unused,
        client=unused,
        credentials=SimpleNamespace(version=1, secrets=[], names=VariableNames()),  # type: ignore[arg-type]
        codec=unused,
        connection=unused,
        gate=Gate(GatePolicy()),
        failed=lambda error: pytest.fail(str(error)),
        monotonic=lambda: 0.0,
        wall_ms=lambda: NOW_MS,
        jitter=lambda: 0.5,
        stats=PollStats(polls=3, events=2, skew_ms=1_500),
        in_flight=1,
    )


def shard(context: PollerContext, number: int, at_ms: int | None) -> PollShard:
    made = PollShard(number, context)
    made.state.put_order("dcl:canary-1", b"")
    made.state.cursor = (
        None if at_ms is None else Cursor(at_ms, beat_ms=at_ms, snapshot_until_ms=0, looked_ms=0, swept_ms=0)
    )
    return made


def sample_names(status: dict[str, Any]) -> set[str]:
    text = metrics_text(Reading("1", "a", {"poller": status})).decode()
    assert "canary" not in text
    found = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    return {name for name in found if name.startswith("relay_")}


def names(*declared: type) -> set[str]:
    own = {name for kind in declared for one in metrics_of(kind) for name in (one.name, one.formerly) if name}
    shown = {"build_info", "worker_info", "worker_state", "stopped_partitions"}
    shown |= {"gate_state", "gate_reason", "gate_shut_seconds"}
    of_sets = {"set_behind_seconds", "set_beat_seconds", "set_gate_shut_seconds", "first_reading_seconds"}
    return own - {f"relay_{name}" for name in of_sets} | {f"relay_{name}" for name in shown}


def test_status_has_every_name_of_the_contract_and_true_numbers() -> None:
    made = context()
    status = poll_status(made, [shard(made, 0, NOW_MS - 4_000), shard(made, 1, NOW_MS - 9_000)], "running")
    assert set(status) >= CONTRACT
    assert (status["kind"], status["state"], status["in_flight"]) == ("poller", "running", 1)
    assert (status["orders"], status["behind_seconds"], status["clock_skew_seconds"]) == (2, 9.0, 1.5)
    assert (status["polls_total"], status["events_total"], status["failures_total"]) == (3, 2, 0)


def test_a_poller_is_fresh_only_when_every_shard_has_a_cursor() -> None:
    made = context()
    status = poll_status(made, [shard(made, 0, NOW_MS), shard(made, 1, None)], "running")
    assert (status["fresh_until"], status["behind_seconds"]) == (None, None)


def test_metrics_have_a_sample_of_every_number_of_a_poller_of_time_ranges() -> None:
    made = context()
    made.stats.notes["unlikely_date"] += 1
    status = poll_status(made, [shard(made, 0, NOW_MS)], "running")
    assert sample_names(status) == names(PollStats, PollGauges)


def test_metrics_have_a_sample_of_every_number_of_a_poller_of_single_orders() -> None:
    made = context(vendor="ecourier", follows="tracked")
    made.stats.notes["not_found"] += 1
    one = shard(made, 0, NOW_MS)
    assert one.orders is not None
    one.orders.took([Record("tracked", 0, 0, NOW_MS, b"N-1", b"row")], 1, 1)
    status = poll_status(made, [one], "running")
    assert (status["tracked_orders"], status["due_looks"], status["late_looks"]) == (1, 0, 0)
    assert sample_names(status) == names(PollStats, PollGauges, LookGauges)
