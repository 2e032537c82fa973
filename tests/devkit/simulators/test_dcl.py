"""The simulated DCL over HTTP: pages, filters, and the knobs for what DCL's page leaves open."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from workers.devkit.simulators import SimulatorOptions
from workers.devkit.simulators.dcl import DclSimulator
from workers.devkit.simulators.dcl import simulator as new_simulator
from workers.devkit.simulators.faults import QUIET

LOGIN = ("demo", "demo-key")


@pytest.fixture
async def dcl() -> AsyncIterator[DclSimulator]:
    simulator = new_simulator(SimulatorOptions(faults=QUIET.changed({"changes": 0})))
    await simulator.start()
    yield simulator
    await simulator.stop()


async def get(dcl: DclSimulator, **parameters: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        return await client.get(f"{dcl.server.base_url}/api/v1/orders", params=parameters, auth=LOGIN)


def numbers(answer: httpx.Response) -> list[str]:
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (200, 0)
    return [order["order_number"] for order in body["orders"]]


async def test_pages_follow_each_other_and_the_last_one_is_short(dcl: DclSimulator) -> None:
    for number in range(5):
        dcl.ledger.put(f"A{number}", 10)
    pages = [numbers(await get(dcl, page=page, page_size=2)) for page in (1, 2, 3)]
    assert pages == [["A0", "A1"], ["A2", "A3"], ["A4"]]


async def test_orders_are_found_by_number_and_by_the_time_of_their_change(dcl: DclSimulator) -> None:
    dcl.ledger.put("A", 10)
    dcl.ledger.put("B", 10)
    assert numbers(await get(dcl, order_numbers="B,C")) == ["B"]
    assert numbers(await get(dcl, modified_to="2020-01-01T00:00:00Z")) == []
    assert numbers(await get(dcl, modified_from="2020-01-01T00:00:00")) == ["A", "B"]


async def test_orders_are_found_by_filter_and_by_the_day_of_their_shipment(dcl: DclSimulator) -> None:
    for number, stage in (("A", 10), ("B", 50), ("10502/C", 60)):
        dcl.ledger.put(number, stage)
    assert numbers(await get(dcl, filter="order_stage lt 60")) == ["A", "B"]
    assert numbers(await get(dcl, filter='order_stage ge 50, account_number eq "10502"')) == ["C"]
    assert sorted(numbers(await get(dcl, shipped_from="2020-01-01"))) == ["B", "C"]
    assert numbers(await get(dcl, shipped_to="2020-01-01")) == []
    for wrong in ("order_stage below 60", "terms eq 1", "order_stage lt 60,"):
        assert (await get(dcl, filter=wrong)).status_code == 400


async def test_only_the_fields_that_are_asked_for_are_shown(dcl: DclSimulator) -> None:
    dcl.ledger.put("A", 10)
    (order,) = (await get(dcl, fields="order_number,order_stage")).json()["orders"]
    assert order == {"order_number": "A", "order_stage": 10}


async def test_a_change_shows_late_and_in_local_time_when_the_faults_say_so(dcl: DclSimulator) -> None:
    dcl.ledger.put("A", 10)
    dcl.ledger.put("A", 20, shows_after_ms=60_000)
    await dcl.set_faults(naive_times=True)
    (order,) = (await get(dcl)).json()["orders"]
    assert (order["order_stage"], len(order["modified_at"])) == (10, 19)
    assert dcl.ledger.orders()["A"]["order_stage"] == 20
