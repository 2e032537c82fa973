"""ECDP's sink and the HTTP client against the simulated ECDP: each fault knob has its outcome."""

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
from workers.vendors.contract import Attempt, Call, NotSent
from workers.vendors.ecdp.requests import ecdp_requests
from workers.vendors.ecdp.sink import EcdpOptions, EcdpSink

Deliver: TypeAlias = Callable[..., Awaitable[list[Outcome]]]
Ask: TypeAlias = Callable[..., Awaitable[httpx.Response]]

KEY = "demo-key"
ORDER = {
    "id": "1",
    "date": "2024-11-06T10:10:00.055Z",
    "status": "completed",
    "totalValue": 1,
    "customer": {},
    "products": [],
}


@pytest.fixture
async def ecdp() -> AsyncIterator[EcdpSimulator]:
    simulator = new_simulator(SimulatorOptions())
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def ask(ecdp: EcdpSimulator) -> AsyncIterator[Ask]:
    async with httpx.AsyncClient(base_url=ecdp.server.base_url, headers={"x-api-key": KEY}) as client:

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


DONE = Delivered(status=201)
SET = Delivered(status=200)


class TestDocument:
    async def test_an_id_with_a_slash_is_one_order(self, ask: Ask, deliver: Deliver, ecdp: EcdpSimulator) -> None:
        assert await deliver("a/b ż%?#") == [DONE]
        url = ecdp_requests(ecdp.server.base_url, KEY).get("a/b ż%?#").url
        assert (await ask("GET", str(url))).json()["data"]["id"] == "a/b ż%?#"


class TestFaults:
    async def test_bad_orders_are_isolated_and_all_others_are_sent_once(
        self, ecdp: EcdpSimulator, deliver: Deliver
    ) -> None:
        await ecdp.set_faults(bad_ids={"o7", "o31"})
        outcomes = await deliver(*(f"o{index}" for index in range(64)))
        assert [index for index, each in enumerate(outcomes) if each != DONE] == [7, 31]
        assert all(isinstance(outcomes[index], Rejected) for index in (7, 31))
        assert sorted(effect.order_id for effect in ecdp.ledger.effects) == sorted(ecdp.ledger.kept)
        assert len(ecdp.ledger.kept) == 62
        assert ecdp.server.requests.total() <= 2 * 2 * 6 + 1

    @pytest.mark.parametrize(
        ("knobs", "outcome"),
        [
            ({"deny": 401}, Denied),
            ({"deny": 403}, Denied),
            ({"throttle": "2500ms"}, Throttled),
            ({"error_rate": 1, "error_statuses": [500]}, Unavailable),
            ({"error_rate": True}, Unavailable),
            ({"html_200": 1}, Unknown),
            ({"max_body": 10}, Rejected),
            ({"errors_in_200": 1}, Rejected),
            ({"reset_before": 1}, Unknown),
        ],
    )
    async def test_a_fault_before_applying_applies_nothing(
        self, knobs: dict[str, Any], outcome: type, ecdp: EcdpSimulator, deliver: Deliver
    ) -> None:
        await ecdp.set_faults(**knobs)
        assert [type(each) for each in await deliver("a")] == [outcome]
        assert ecdp.ledger.effects == []

    @pytest.mark.parametrize(
        ("knobs", "outcome"),
        [
            ({"reset_after": 1}, Unknown),
            ({"huge": 1}, Unknown),
            ({"empty_200": 1}, Delivered),
            ({"drip": 0.001}, Delivered),
        ],
    )
    async def test_a_fault_after_applying_applies_once(
        self, knobs: dict[str, Any], outcome: type, ecdp: EcdpSimulator, deliver: Deliver
    ) -> None:
        await ecdp.set_faults(**knobs)
        assert [type(each) for each in await deliver("a")] == [outcome]
        assert ecdp.ledger.effects == [Effect("a", "add", 1)]

    async def test_an_add_whose_answer_was_lost_is_found_and_not_doubled(
        self, ecdp: EcdpSimulator, deliver: Deliver
    ) -> None:
        await ecdp.set_faults(reset_after=1)
        assert [type(each) for each in await deliver("a", mode="Add")] == [Unknown]
        await ecdp.set_faults(reset_after=0)
        assert await deliver("a", mode="Add", number=2, unknown=True) == [Delivered(found=True)]
        assert await deliver("a", mode="Add") == [Delivered(found=True)]
        assert ecdp.ledger.effects == [Effect("a", "add", 1)]

    async def test_a_vendor_that_is_down_refuses_connections_until_it_is_up(
        self, ecdp: EcdpSimulator, deliver: Deliver
    ) -> None:
        await deliver("a")
        await ecdp.set_faults(down=True)
        [outcome] = await deliver("a")
        assert isinstance(outcome, Unavailable | Unknown)
        with pytest.raises(NotSent):
            await deliver(status("a"))
        await ecdp.set_faults(down=False)
        assert await deliver(status("a")) == [SET]

    async def test_a_hanging_request_is_cut_when_the_faults_change(self, ecdp: EcdpSimulator, deliver: Deliver) -> None:
        await ecdp.set_faults(hang=1)
        hanging = asyncio.ensure_future(deliver("a"))
        await until(lambda: ecdp.server.requests["POST hung"] > 0)
        assert ecdp.server.in_flight == 1
        await ecdp.set_faults(hang=0)
        assert [type(each) for each in await hanging] == [Unknown]

    async def test_a_simulator_stops_while_requests_hang(self, deliver: Deliver, ecdp: EcdpSimulator) -> None:
        await ecdp.set_faults(hang=1)
        hanging = asyncio.ensure_future(deliver("a"))
        await until(lambda: ecdp.server.requests["POST hung"] > 0)
        await ecdp.stop()
        assert [type(each) for each in await hanging] == [Unknown]


class TestControl:
    async def test_faults_are_set_and_reset_on_both_ports(self, ecdp: EcdpSimulator, ask: Ask) -> None:
        for url in (ecdp.server.base_url, ecdp.control_url):
            answer = await ask("POST", f"{url}/_sim/faults", {"latency": "5ms", "bad_ids": ["x"]})
            assert answer.json()["latency"] == 0.005
            assert ecdp.server.faults.bad_ids == {"x"}
            assert (await ask("DELETE", f"{url}/_sim/faults")).json()["latency"] == 0
            assert (await ask("GET", f"{url}/_sim/faults")).json()["bad_ids"] == []

    async def test_the_control_port_answers_while_the_vendor_is_down(self, ecdp: EcdpSimulator, ask: Ask) -> None:
        assert (await ask("POST", "/_sim/faults", {"down": True})).status_code == 200
        with pytest.raises(httpx.TransportError):
            async with httpx.AsyncClient() as stranger:
                await stranger.get(ecdp.server.base_url)
        assert (await ask("POST", f"{ecdp.control_url}/_sim/faults", {"down": False})).status_code == 200
        assert (await ask("GET", "/orders/1")).status_code == 404

    async def test_faults_may_be_set_for_a_limited_time(self, ecdp: EcdpSimulator, ask: Ask) -> None:
        await ask("POST", "/_sim/faults", {"deny": 401, "for": "1ms"})
        await until(lambda: not ecdp.server.faults.deny)
        assert (await ask("GET", "/orders/1")).status_code == 404

    @pytest.mark.parametrize("knobs", [{"nonsense": 1}, {"hang": 2}, {"latency": "5"}, [], {"for": "later"}])
    async def test_an_invalid_fault_is_refused_and_changes_nothing(
        self, knobs: Any, ecdp: EcdpSimulator, ask: Ask
    ) -> None:
        before = ecdp.server.faults
        assert (await ask("POST", "/_sim/faults", knobs)).status_code == 400
        assert ecdp.server.faults == before

    async def test_stats_orders_and_log_show_what_was_applied(self, deliver: Deliver, ask: Ask) -> None:
        await deliver("a", "b")
        await deliver(status("a"))
        stats = (await ask("GET", "/_sim/stats")).json()
        assert stats["orders"] == 2
        assert stats["orders_by_status"] == {"": 1, "paid": 1}
        assert stats["requests"] == {"POST 201": 1, "PUT 200": 1}
        assert sorted((await ask("GET", "/_sim/orders")).json()) == ["a", "b"]
        assert (await ask("GET", "/_sim/log?from=2")).json() == [{"order_id": "a", "what": "paid", "attempt": 2}]
        assert (await ask("GET", "/_sim/else")).status_code == 404


async def test_the_light_server_keeps_an_orders_id_and_status() -> None:
    simulator = new_simulator(SimulatorOptions(keep_content=False))
    base = await simulator.start()
    async with httpx.AsyncClient(base_url=base, headers={"x-api-key": KEY}) as client:
        await client.post("/orders", json={"mode": "Add", "data": [ORDER]})
        assert (await client.get("/orders/1")).json()["data"] == {
            "id": "1",
            "status": "completed",
            "customer": {"id": 1},
        }
    await simulator.stop()


def test_simulators_are_found_by_their_vendors_name() -> None:
    assert "ecdp" in names()
    assert load("ecdp") is new_simulator
    for name in ("acme", "faults", "server", "../ecdp", ""):
        with pytest.raises(UnknownSimulatorError):
            load(name)
