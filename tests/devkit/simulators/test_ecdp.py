"""The ECDP simulator, spoken to over real HTTP by the sink that it is to try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx
import pytest

from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
)
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
    "timeZone": "Pacific Standard Time",
    "websiteId": 1,
    "status": "Completed",
    "currency": "USD",
    "totalValue": 150.00,
    "returnsValue": 0,
    "customer": {"email": "customer@example.com", "phone": "+15551234567", "crmId": "67890"},
    "products": [
        {
            "id": "p001",
            "name": "Wireless Earbuds",
            "price": 75.00,
            "quantity": 2,
            "returned": 0,
            "productAttributes": [{"name": "Color", "value": "Black"}],
        }
    ],
    "orderAttributes": [{"name": "Gift Wrap", "value": "Yes"}],
}
PRODUCT: Any = {"id": "p", "name": "n", "price": 1, "quantity": 1}


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


async def until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - the simulator is looked at from outside
        await asyncio.sleep(0)


DONE = Delivered(status=201)
SET = Delivered(status=200)


class TestItsDocument:
    async def test_the_pages_example_is_created_found_changed_and_deleted(self, ask: Ask, ecdp: EcdpSimulator) -> None:
        assert (await ask("POST", "/orders", {"mode": "Add", "data": [ORDER]})).status_code == 201
        found = (await ask("GET", "/orders/1")).json()
        assert found == {
            "status": 0,
            "data": {**ORDER, "status": "completed", "customer": {"id": 1, **ORDER["customer"]}},  # type: ignore[dict-item]
        }
        assert (await ask("PUT", "/orders/status", {"orderId": "1", "orderStatus": "canceled"})).status_code == 200
        assert (await ask("DELETE", "/orders/1")).json()["data"]["status"] == "IsDeleted"
        assert ecdp.ledger.effects == [Effect("1", "add", 1), Effect("1", "canceled", 2), Effect("1", "delete", 3)]

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"id": ""}, "id"),
            ({"id": "x" * 129}, "id"),
            ({"id": None}, "id"),
            ({"date": "yesterday"}, "date"),
            ({"date": None}, "date"),
            ({"timeZone": "x" * 101}, "timeZone"),
            ({"websiteId": 2**31}, "websiteId"),
            ({"websiteId": "1"}, "websiteId"),
            ({"status": "lost"}, "status"),
            ({"currency": "EURO"}, "currency"),
            ({"totalValue": -1}, "totalValue"),
            ({"totalValue": "150.00"}, "totalValue"),
            ({"totalValue": None}, "totalValue"),
            ({"customer": None}, "customer"),
            ({"customer": {"email": "e" * 321}}, "email"),
            ({"customer": {"phone": "1" * 21}}, "phone"),
            ({"customer": {"crmId": "c" * 129}}, "crmId"),
            ({"products": None}, "products"),
            ({"products": [7]}, "product"),
            ({"products": [{**PRODUCT, "name": ""}]}, "name"),
            ({"products": [{**PRODUCT, "price": -0.01}]}, "price"),
            ({"products": [{**PRODUCT, "quantity": 0}]}, "quantity"),
            ({"products": [{**PRODUCT, "quantity": 1.5}]}, "quantity"),
            ({"products": [{**PRODUCT, "returned": -1}]}, "returned"),
            ({"products": [{**PRODUCT, "url": "u" * 2049}]}, "url"),
            ({"products": [{**PRODUCT, "productAttributes": [{"name": "a" * 257}]}]}, "attribute"),
            ({"orderAttributes": [{"name": "a", "value": 1}]}, "attribute"),
        ],
    )
    async def test_every_limit_refuses_the_whole_request(
        self, change: dict[str, Any], word: str, ask: Ask, ecdp: EcdpSimulator
    ) -> None:
        refused = await ask(
            "POST", "/orders", {"mode": "AddOrReplace", "data": [ORDER, {**ORDER, "id": "2", **change}]}
        )
        assert refused.status_code == 400
        problem = refused.json()
        assert set(problem) == {"type", "title", "status", "substatus", "detail", "instance", "errors"}
        assert any(word in error for error in problem["errors"])
        assert ecdp.ledger.orders() == {}

    async def test_modes_add_and_replace_mind_what_is_there(self, deliver: Deliver) -> None:
        assert [type(each) for each in await deliver("a", mode="Replace")] == [Rejected]
        assert await deliver("a", mode="Add") == [DONE]
        assert await deliver("a", mode="Replace") == [DONE]
        assert await deliver("a", mode="AddOrReplace") == [DONE]

    @pytest.mark.parametrize(
        ("method", "path", "options", "code"),
        [
            ("GET", "/orders/1", {}, 404),
            ("DELETE", "/orders/1", {}, 404),
            ("GET", "/orders/1", {"headers": {"x-api-key": "other"}}, 401),
            ("GET", "/elsewhere", {}, 404),
            ("PUT", "/orders/status", {"json": {"orderId": "1", "orderStatus": "paid"}}, 400),
            ("PUT", "/orders/status", {"json": {"orderId": "1", "orderStatus": "lost"}}, 400),
            ("PUT", "/orders/status", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
            ("POST", "/orders", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
            ("POST", "/orders", {"json": {"mode": "Upsert", "data": [ORDER]}}, 400),
            ("POST", "/orders", {"json": {"mode": "Add", "data": []}}, 400),
            ("POST", "/orders", {"json": {"mode": "Add", "data": [ORDER, ORDER]}}, 400),
        ],
    )
    async def test_refusals_carry_their_code(
        self, method: str, path: str, options: dict[str, Any], code: int, ask: Ask
    ) -> None:
        answer = await ask(method, path, **options)
        assert answer.status_code == answer.json()["status"] == code

    async def test_an_id_with_a_slash_is_one_order(self, ask: Ask, deliver: Deliver, ecdp: EcdpSimulator) -> None:
        assert await deliver("a/b ż%?#") == [DONE]
        url = ecdp_requests(ecdp.server.base_url, KEY).get("a/b ż%?#").url
        assert (await ask("GET", str(url))).json()["data"]["id"] == "a/b ż%?#"


class TestFaults:
    async def test_bad_ids_are_isolated_and_all_others_sent_once(self, ecdp: EcdpSimulator, deliver: Deliver) -> None:
        await ecdp.set_faults(bad_ids={"o7", "o31"})
        outcomes = await deliver(*(f"o{index}" for index in range(64)))
        assert [index for index, each in enumerate(outcomes) if each != DONE] == [7, 31]
        assert all(isinstance(outcomes[index], Rejected) for index in (7, 31))
        assert sorted(effect.order_id for effect in ecdp.ledger.effects) == sorted(ecdp.ledger.kept)
        assert len(ecdp.ledger.kept) == 62
        assert ecdp.server.requests.total() <= 2 * 2 * 6 + 1

    @pytest.mark.parametrize("code", [400, 404])
    async def test_a_status_of_an_unknown_order_is_told_whichever_way_ecdp_says_it(
        self, code: int, ecdp: EcdpSimulator, deliver: Deliver
    ) -> None:
        await ecdp.set_faults(unknown_order=code)
        assert isinstance((await deliver(status("a")))[0], UnknownOrder)
        await deliver("a")
        assert await deliver(status("a")) == [SET]
        await ecdp.set_faults(bad_ids={"a"})
        assert isinstance((await deliver(status("a")))[0], Rejected)

    @pytest.mark.parametrize(
        ("knobs", "outcome"),
        [
            ({"deny": 401}, Denied),
            ({"deny": 403}, Denied),
            ({"throttle": "3s"}, Throttled),
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

    async def test_throttling_says_for_how_long(self, ecdp: EcdpSimulator, deliver: Deliver) -> None:
        await ecdp.set_faults(throttle="2500ms")
        assert await deliver("a") == [Throttled(2.5, 429)]

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

    async def test_while_down_connections_are_refused_and_then_taken_again(
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

    async def test_what_hangs_is_cut_when_the_faults_change(self, ecdp: EcdpSimulator, deliver: Deliver) -> None:
        await ecdp.set_faults(hang=1)
        hanging = asyncio.ensure_future(deliver("a"))
        await until(lambda: ecdp.server.requests["POST hung"] > 0)
        assert ecdp.server.in_flight == 1
        await ecdp.set_faults(hang=0)
        assert [type(each) for each in await hanging] == [Unknown]

    async def test_it_stops_while_requests_hang(self, deliver: Deliver, ecdp: EcdpSimulator) -> None:
        await ecdp.set_faults(hang=1)
        hanging = asyncio.ensure_future(deliver("a"))
        await until(lambda: ecdp.server.requests["POST hung"] > 0)
        await ecdp.stop()
        assert [type(each) for each in await hanging] == [Unknown]


class TestControl:
    async def test_knobs_turn_live_on_both_ports(self, ecdp: EcdpSimulator, ask: Ask) -> None:
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

    async def test_faults_may_last_for_a_time(self, ecdp: EcdpSimulator, ask: Ask) -> None:
        await ask("POST", "/_sim/faults", {"deny": 401, "for": "1ms"})
        await until(lambda: not ecdp.server.faults.deny)
        assert (await ask("GET", "/orders/1")).status_code == 404

    @pytest.mark.parametrize("knobs", [{"nonsense": 1}, {"hang": 2}, {"latency": "5"}, [], {"for": "later"}])
    async def test_a_wrong_knob_is_refused_and_changes_nothing(self, knobs: Any, ecdp: EcdpSimulator, ask: Ask) -> None:
        before = ecdp.server.faults
        assert (await ask("POST", "/_sim/faults", knobs)).status_code == 400
        assert ecdp.server.faults == before

    async def test_stats_orders_and_log_tell_what_was_applied(self, deliver: Deliver, ask: Ask) -> None:
        await deliver("a", "b")
        await deliver(status("a"))
        stats = (await ask("GET", "/_sim/stats")).json()
        assert stats["orders"] == 2
        assert stats["orders_by_status"] == {"": 1, "paid": 1}
        assert stats["requests"] == {"POST 201": 1, "PUT 200": 1}
        assert sorted((await ask("GET", "/_sim/orders")).json()) == ["a", "b"]
        assert (await ask("GET", "/_sim/log?from=2")).json() == [{"order_id": "a", "what": "paid", "attempt": 2}]
        assert (await ask("GET", "/_sim/else")).status_code == 404


async def test_content_may_be_left_out_for_long_runs() -> None:
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
    for name in ("nobody", "faults", "server", "../ecdp", ""):
        with pytest.raises(UnknownSimulatorError):
            load(name)
