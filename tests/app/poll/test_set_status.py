"""A poller of sets in `/status`, `/metrics` and `relay status`: each set by itself, and what they add up to."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from workers.app.config.specs import PollerSpec
from workers.app.inspect.running.answers import Answer
from workers.app.inspect.running.look import look_of
from workers.app.poll.context import PollerContext, SetPolling
from workers.app.poll.shard import PollShard
from workers.app.poll.status import poll_status
from workers.app.runtime.metrics import Reading, metrics_text
from workers.cli.status_format import COLUMNS, row
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Denied, Unavailable
from workers.core.last_errors import Part
from workers.core.poll.cursor import Cursor, first_cursor
from workers.core.poll.step import Step
from workers.core.poll.vendor_set import DAY_MS, SetReading
from workers.edges.http.variable_names import VariableNames
from workers.vendors.contract import Flow, load

NOW_MS = 1_770_000_000_000
SETS = {"orders": 4_000, "rmas": 900_000}  # how long ago each was complete, ms


@pytest.fixture
def context() -> PollerContext:
    """Of a poller of two sets."""
    unused: Any = None
    client: Any = SimpleNamespace(budget=None)
    credentials: Any = SimpleNamespace(version=1, secrets=[], names=VariableNames())
    common = {"name": "poller", "vendor": "e2cc", "publishes": ["x"], "state": "state", "credentials": "E2CC"}
    spec = PollerSpec.model_validate(common | {"sets": {name: {"every": "1m"} for name in SETS}, "max_in_flight": 1})
    sets = tuple(one for one in load("e2cc").sets if one.name in SETS)
    return PollerContext(
        spec=spec,
        polling=SetPolling(unused, sets),
        client=client,
        credentials=credentials,
        codec=unused,
        connection=unused,
        gate=Gate(GatePolicy()),
        failed=lambda error: pytest.fail(str(error)),
        monotonic=lambda: 0.0,
        wall_ms=lambda: NOW_MS,
        jitter=lambda: 0.5,
    )


@pytest.fixture
def shard(context: PollerContext) -> PollShard:
    """Both sets are complete."""
    made = PollShard(0, context)
    for name, age_ms in SETS.items():
        made.state.accept(Step(Cursor(NOW_MS - age_ms, 0, looked_ms=0, swept_ms=0), set_name=name))
    return made


def fail(shard: PollShard, names: list[str]) -> None:
    """Let these sets fail until their gates are shut."""
    assert shard.sets is not None
    for one in shard.sets.rounds:
        for _ in range(20 if one.vendor_set.name in names else 0):
            one.context.gate.report(Unavailable("HTTP 500"), 0.0, 0.5, other_in_flight=0)
            one.context.stats.failures += 1
        if one.vendor_set.name in names:
            one.context.stats.errors.put(Part.VENDOR, "HTTP 500", NOW_MS)


def test_the_poller_is_as_fresh_as_its_oldest_set(context: PollerContext, shard: PollShard) -> None:
    status = poll_status(context, [shard], "running")
    assert (status["behind_seconds"], status["set_behind_seconds"]) == (900.0, {"orders": 4.0, "rmas": 900.0})
    assert status["set_beat_seconds"] == dict.fromkeys(SETS, 60.0)
    assert status["sets"]["orders"]["complete"]
    assert status["first_reading_seconds"] is None
    text = metrics_text(Reading("1", "a", {"poller": status})).decode()
    assert 'relay_set_behind_seconds{set="rmas",worker="poller"} 900.0' in text


def test_until_each_set_was_read_as_a_whole_nothing_tells_how_fresh_the_poller_is(
    context: PollerContext, shard: PollShard
) -> None:
    """A cursor of a first reading is as old as `lookback`: no age that an alert may be about."""
    first = replace(first_cursor(NOW_MS - 60_000, 400 * DAY_MS), open_from_ms=0)
    shard.state.accept(Step(first, set_name="rmas"))
    status = poll_status(context, [shard], "running")
    assert (status["fresh_until"], status["behind_seconds"], status["first_reading_seconds"]) == (None, None, 60.0)
    assert status["shards"][0]["fresh_until"] is None
    assert status["set_behind_seconds"] == {"orders": 4.0}
    own = status["sets"]["rmas"]
    assert (own["complete"], own["fresh_until"], own["behind_seconds"]) == (False, None, None)
    text = metrics_text(Reading("1", "a", {"poller": status})).decode()
    assert "relay_behind_seconds{" not in text
    assert 'relay_first_reading_seconds{worker="poller"} 60.0' in text
    look = look_of("poller", status | {"kafka": {"state": "up"}}, Answer("here:1", "a"))
    cells = dict(zip(COLUMNS, row(look), strict=True))
    assert (cells["state"], cells["oldest"], look.faults) == ("running, first reading", "-", ())


def test_sets_that_wait_for_their_turn_are_no_requests_in_flight(context: PollerContext, shard: PollShard) -> None:
    assert shard.sets is not None
    for one in shard.sets.rounds:
        one.context.in_flight = 1
    assert poll_status(context, [shard], "running")["in_flight"] == 1


def test_one_failing_set_is_named_and_does_not_shut_the_vendors_gate(context: PollerContext, shard: PollShard) -> None:
    fail(shard, ["rmas"])
    status = poll_status(context, [shard], "running")
    assert (status["gate"]["state"], status["failures_total"], status["last_error"]) == ("open", 20, "rmas: HTTP 500")
    gates = {name: one["gate"]["state"] for name, one in status["sets"].items()}
    assert gates == {"orders": "open", "rmas": "shut"}
    look = look_of("poller", status, Answer("here:1", "a"))
    assert [fault.what.partition(" since")[0] for fault in look.faults] == ["rmas: gate shut (unavailable)"]
    text = metrics_text(Reading("1", "a", {"poller": status})).decode()
    assert [line for line in text.splitlines() if line.startswith("relay_set_gate_shut_seconds{")] == [
        'relay_set_gate_shut_seconds{reason="unavailable",set="rmas",worker="poller"} 0.0'
    ]


def test_the_vendors_gate_is_shut_when_all_sets_fail(context: PollerContext, shard: PollShard) -> None:
    """Its reason is the gravest: a refused key needs somebody, a vendor that is down comes back."""
    fail(shard, list(SETS))
    assert shard.sets is not None
    shard.sets.rounds[-1].context.gate.report(Denied("HTTP 403"), 0.0, 0.5, other_in_flight=0)
    gate = poll_status(context, [shard], "running")["gate"]
    assert (gate["state"], gate["reason"]) == ("shut", "denied")


def test_a_set_is_as_old_as_its_beat_when_all_is_well_also_while_a_budget_stretches_it(
    context: PollerContext, shard: PollShard
) -> None:
    assert shard.sets is not None
    shard.sets.rounds[0].beat_s = 720.0
    status = poll_status(context, [shard], "running")
    assert status["set_beat_seconds"] == {"orders": 720.0, "rmas": 60.0}
    assert status["sets"]["orders"]["beat_seconds"] == 720.0


class OnlyOrders:
    """A vendor that lets the account list its orders, of which there are none, and no other set."""

    def read(self, name: str, ask: Any) -> Flow[SetReading]:
        yield from ()
        return SetReading((), ask.within) if name == "orders" else SetReading((), forbidden="no permission")


async def run(flow: Flow[Any], _observer: Any) -> Any:
    """Run a flow that sends no request."""
    try:
        next(flow)
    except StopIteration as stop:
        return stop.value


async def test_a_set_that_the_account_may_not_list_is_not_complete_and_holds_no_other_set_back(
    context: PollerContext,
) -> None:
    """The operator reads why; nobody is paged, because no key is wrong."""
    assert isinstance(context.polling, SetPolling)
    polling: Any = OnlyOrders()
    client: Any = SimpleNamespace(budget=None, run=run)
    context.polling, context.client = SetPolling(polling, context.polling.sets), client
    shard = PollShard(0, context)
    for name in SETS:
        shard.state.accept(Step(Cursor(NOW_MS - 4_000, 0, looked_ms=0, swept_ms=NOW_MS), set_name=name))
    assert shard.sets is not None

    async def write(step: Step) -> None:
        shard.state.accept(step)

    rounds = asyncio.ensure_future(shard.sets.run(shard.state, write))
    for _ in range(20):
        await asyncio.sleep(0)
    rounds.cancel()
    status = poll_status(context, [shard], "running")
    rmas = status["sets"]["rmas"]
    assert (rmas["complete"], rmas["fresh_until"], rmas["gate"]["state"]) == (False, None, "open")
    assert (set(status["set_behind_seconds"]), status["first_reading_seconds"]) == ({"orders"}, None)
    assert status["fresh_until"] is not None
    (fault,) = look_of("poller", status, Answer("a", "a:1", {}, None)).faults
    assert "rmas: no permission" in fault.what
