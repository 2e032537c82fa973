"""ECDP's sink and the HTTP client against the simulated ECDP: each fault knob strikes where it says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx
import pytest

from tests.support.waiting import until
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Throttled, Unavailable, Unknown
from workers.core.events import Created, Status
from workers.devkit.simulators import SimulatorOptions, UnknownSimulatorError, load, names
from workers.devkit.simulators.ecdp import EcdpSimulator
from workers.devkit.simulators.ecdp import simulator as new_simulator
from workers.devkit.simulators.server import Effect
from workers.edges.http.client import open_client
from workers.edges.http.transport import TransportPolicy
from workers.vendors.contract import Attempt, Call
from workers.vendors.ecdp.sink import EcdpOptions, EcdpSink

Deliver: TypeAlias = Callable[..., Awaitable[list[Outcome]]]
Ask: TypeAlias = Callable[..., Awaitable[httpx.Response]]

KEY = "demo-key"
PLAIN: dict[str, Any] = {"totalValue": 1, "customer": {}, "products": []}


@pytest.fixture
async def ecdp() -> AsyncIterator[EcdpSimulator]:
    simulator = new_simulator(SimulatorOptions())
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def ask(ecdp: EcdpSimulator) -> AsyncIterator[Ask]:
    async with httpx.AsyncClient(base_url=ecdp.server.base_url, verify=False, headers={"x-api-key": KEY}) as client:

        async def send(method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
            return await client.request(method, path, json=json, **options)

        yield send


@pytest.fixture
async def deliver(ecdp: EcdpSimulator) -> AsyncIterator[Deliver]:
    """Deliver orders (by id) or one status with the real sink over the real client."""
    base = ecdp.server.base_url
    client = open_client(httpx.URL(base), TransportPolicy(max_in_flight=4, request_timeout_s=2.0))

    async def send(*events: str | Status, mode: str = "AddOrReplace", **how: Any) -> list[Outcome]:
        sink = EcdpSink(EcdpOptions.model_validate({"mode": mode}), {"BASE_URL": base, "API_KEY": KEY})
        calls = [sink.prepare(plain_order(each) if isinstance(each, str) else each) for each in events]
        return await client.run(sink.deliver([Attempt(call, **how) for call in calls if isinstance(call, Call)]))

    yield send
    await client.close()


def plain_order(order_id: str) -> Created:
    content: Any = {
        "order": {
            **dict.fromkeys(("time_zone", "website_id", "status", "currency", "returns_value", "delivery")),
            "order_id": order_id,
            "placed_at": 0,
            "total_value": b"\0",
            "lines": [],
            "attributes": [],
            "customer": {"email": "a@b.example", "phone": None, "crm_id": None},
        }
    }
    return Created(order_id, content)


def status(order_id: str, state: str = "paid") -> Status:
    content: Any = {"order_id": order_id, "status": state, "website_id": None}
    return Status(order_id, content)


@pytest.mark.parametrize(
    ("knobs", "outcome", "applied"),
    [
        ({"deny": 401}, Denied, 0),
        ({"deny": 403}, Denied, 0),
        ({"throttle": "2500ms"}, Throttled, 0),
        ({"error_rate": 1, "error_statuses": [500]}, Unavailable, 0),
        ({"html_200": 1}, Unknown, 0),
        ({"max_body": 10}, Rejected, 0),
        ({"errors_in_200": 1}, Rejected, 0),
        ({"reset_before": 1}, Unknown, 0),
        ({"reset_after": 1}, Unknown, 1),
        ({"huge": 1}, Unknown, 1),
        ({"empty_200": 1}, Delivered, 1),
        ({"drip": 0.001}, Delivered, 1),
    ],
)
async def test_a_fault_strikes_before_or_after_the_order_is_applied(
    knobs: dict[str, Any], outcome: type, applied: int, ecdp: EcdpSimulator, deliver: Deliver
) -> None:
    await ecdp.set_faults(**knobs)
    assert [type(each) for each in await deliver("a")] == [outcome]
    assert ecdp.ledger.effects == [Effect("a", "add", 1)] * applied


async def test_an_add_whose_answer_was_lost_is_found_and_not_doubled(ecdp: EcdpSimulator, deliver: Deliver) -> None:
    await ecdp.set_faults(reset_after=1)
    assert [type(each) for each in await deliver("a/b ż%?#", mode="Add")] == [Unknown]
    await ecdp.set_faults(reset_after=0)
    assert await deliver("a/b ż%?#", mode="Add", number=2, unknown=True) == [Delivered(found=True)]
    assert ecdp.ledger.effects == [Effect("a/b ż%?#", "add", 1)]


@pytest.mark.parametrize("end", ["faults change", "stop"])
async def test_a_hanging_request_is_cut_at_the_end_of_the_fault_or_of_the_simulator(
    end: str, ecdp: EcdpSimulator, deliver: Deliver
) -> None:
    await ecdp.set_faults(hang=1)
    hanging = asyncio.ensure_future(deliver("a"))
    await until(lambda: ecdp.server.requests["POST hung"] > 0)
    await (ecdp.stop() if end == "stop" else ecdp.set_faults(hang=0))
    assert [type(each) for each in await hanging] == [Unknown]


async def test_faults_are_set_and_reset_on_both_ports(ecdp: EcdpSimulator, ask: Ask) -> None:
    for url in (ecdp.server.base_url, ecdp.control_url):
        answer = await ask("POST", f"{url}/_sim/faults", {"latency": "5ms", "bad_ids": ["x"]})
        assert answer.json()["latency"] == 0.005
        assert ecdp.server.faults.bad_ids == {"x"}
        assert (await ask("DELETE", f"{url}/_sim/faults")).json()["latency"] == 0
        assert (await ask("GET", f"{url}/_sim/faults")).json()["bad_ids"] == []
    await ask("POST", "/_sim/faults", {"deny": 401, "for": "1ms"})
    await until(lambda: not ecdp.server.faults.deny)


async def test_the_control_port_answers_while_the_vendor_is_down(ecdp: EcdpSimulator, ask: Ask) -> None:
    assert (await ask("POST", "/_sim/faults", {"down": True})).status_code == 200
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient(verify=False) as stranger:
            await stranger.get(ecdp.server.base_url)
    assert (await ask("POST", f"{ecdp.control_url}/_sim/faults", {"down": False})).status_code == 200
    assert (await ask("GET", "/orders/1")).status_code == 404


@pytest.mark.parametrize("knobs", [{"nonsense": 1}, {"hang": 2}, {"latency": "5"}, [], {"for": "later"}])
async def test_an_invalid_fault_is_refused_and_changes_nothing(knobs: Any, ecdp: EcdpSimulator, ask: Ask) -> None:
    before = ecdp.server.faults
    assert (await ask("POST", "/_sim/faults", knobs)).status_code == 400
    assert ecdp.server.faults == before


async def test_stats_orders_and_log_show_what_was_applied(deliver: Deliver, ask: Ask) -> None:
    await deliver("a", "b")
    await deliver(status("a"))
    stats = (await ask("GET", "/_sim/stats")).json()
    assert (stats["orders"], stats["orders_by_status"]) == (2, {"": 1, "paid": 1})
    assert stats["requests"] == {"POST 201": 1, "PUT 200": 1}
    assert sorted((await ask("GET", "/_sim/orders")).json()) == ["a", "b"]
    assert (await ask("GET", "/_sim/log?from=2")).json() == [{"order_id": "a", "what": "paid", "attempt": 2}]


async def test_the_light_server_keeps_an_orders_id_and_status() -> None:
    simulator = new_simulator(SimulatorOptions(keep_content=False))
    base = await simulator.start()
    order = {"id": "1", "date": "2024-11-06T10:10:00.055Z", "status": "completed"}
    async with httpx.AsyncClient(base_url=base, verify=False, headers={"x-api-key": KEY}) as client:
        await client.post("/orders", json={"mode": "Add", "data": [order | PLAIN]})
        kept = (await client.get("/orders/1")).json()["data"]
    assert kept == {"id": "1", "status": "completed", "customer": {"id": 1}}
    await simulator.stop()


def test_simulators_are_found_by_their_vendors_name() -> None:
    assert "ecdp" in names()
    assert load("ecdp") is new_simulator
    for name in ("acme", "faults", "server", "../ecdp", ""):
        with pytest.raises(UnknownSimulatorError):
            load(name)
