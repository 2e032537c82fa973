"""The simulated E2CC: pages of books that change, and the knobs for what E2CC's page leaves open."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from workers.devkit.simulators import SECRET, SimulatorOptions
from workers.devkit.simulators.e2cc import E2ccSimulator
from workers.devkit.simulators.e2cc import simulator as new_simulator
from workers.devkit.simulators.e2cc.queue import RequestQueue
from workers.devkit.simulators.faults import QUIET


@pytest.fixture
async def e2cc() -> AsyncIterator[E2ccSimulator]:
    """With 30 orders and 5 items."""
    simulator = new_simulator(SimulatorOptions(faults=QUIET.changed({"changes": 0})))
    await simulator.start()
    simulator.ledger.books.fill(30, 5)
    yield simulator
    await simulator.stop()


async def ask(e2cc: E2ccSimulator, path: str, key: str = SECRET, method: str = "GET", **parameters: Any) -> Any:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        url, headers = f"{e2cc.server.base_url}/api{path}", {"Authorization": f"Bearer {key}"}
        return await client.request(method, url, params=parameters, headers=headers)


async def numbers(e2cc: E2ccSimulator, **parameters: Any) -> list[str]:
    rows = (await ask(e2cc, "/orders", **parameters)).json()
    return [row["orderType"] + row["orderNbr"] for row in rows]


async def test_pages_follow_each_other_to_an_empty_one(e2cc: E2ccSimulator) -> None:
    pages = [await numbers(e2cc, page=page, pageSize=20) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [20, 10, 0]
    assert [*pages[0], *pages[1]] == list(e2cc.ledger.orders())
    await e2cc.set_faults(page_cap=7)
    assert len(await numbers(e2cc, pageSize=20)) == 7


async def test_an_unstable_sequence_is_another_one_in_each_answer(e2cc: E2ccSimulator) -> None:
    await e2cc.set_faults(sort="unstable")
    first, second = await numbers(e2cc), await numbers(e2cc)
    assert first != second
    assert sorted(first) == sorted(second)


async def test_rows_move_while_pages_are_read(e2cc: E2ccSimulator) -> None:
    await e2cc.set_faults(sort="descending", changes_per_page=20)
    first, second = [await numbers(e2cc, page=page, pageSize=20) for page in (1, 2)]
    assert set(first) & set(second)


async def test_orders_are_found_by_creation_and_by_value(e2cc: E2ccSimulator) -> None:
    every = (await ask(e2cc, "/orders")).json()
    times = [row["createdDateTime"] for row in every]
    expression = f"CreatedDateTime gt datetime'{times[3]}' and CreatedDateTime lt datetime'{times[9]}'"
    found = await numbers(e2cc, conditions=expression)
    assert found == list(e2cc.ledger.orders())[4:9]
    assert await numbers(e2cc, OrderNbr=every[5]["orderNbr"]) == [list(e2cc.ledger.orders())[5]]
    assert len(await numbers(e2cc, orderNbr=every[5]["orderNbr"])) == 30, "filters have PascalCase names"
    await e2cc.set_faults(ignores_filters=True)
    assert len(await numbers(e2cc, conditions=expression)) == 30
    await e2cc.set_faults(ignores_filters=False, conditions="gt")
    assert (await ask(e2cc, "/orders", conditions=expression)).status_code == 500


async def test_a_row_may_be_a_line_padded_and_with_entities(e2cc: E2ccSimulator) -> None:
    await e2cc.set_faults(row_per_line=True)
    orders = e2cc.ledger.books.orders.records
    assert len(await numbers(e2cc)) == sum(order.lines for order in orders)
    await e2cc.set_faults(padding=True, entities=True)
    answers = [(await ask(e2cc, "/orders")).text for _ in range(4)]
    assert len(set(answers)) == 4
    assert any("&nbsp;" in answer for answer in answers)


async def test_requests_are_answered_one_after_the_other(e2cc: E2ccSimulator) -> None:
    await e2cc.set_faults(queue_latency=0.2)  # the others come while the first one is answered
    await asyncio.gather(*(ask(e2cc, "/credits") for _ in range(3)))
    assert e2cc.server.stats()["deepest_queue"] == 3
    now = [0.0]
    queue = RequestQueue(lambda: now[0])
    assert [queue.enter(2.0), queue.enter(2.0)] == [2.0, 4.0]
    now[0] = 5.0
    assert queue.enter(2.0) == 2.0


async def test_a_revoked_key_lives_on_while_it_is_cached(e2cc: E2ccSimulator) -> None:
    await e2cc.set_faults(key_cache="5m")
    assert (await ask(e2cc, "/credits")).status_code == 200
    await ask(e2cc, f"/access-key/{SECRET}", method="DELETE")
    assert (await ask(e2cc, "/credits")).status_code == 200
    e2cc.ledger.keys.cached_until.clear()
    assert (await ask(e2cc, "/credits")).status_code == 401


async def test_the_former_secret_of_a_rotated_key_is_dead(e2cc: E2ccSimulator) -> None:
    made = (await ask(e2cc, f"/access-key/{SECRET[:10]}", method="PATCH")).json()
    assert [(await ask(e2cc, "/credits", key)).status_code for key in (SECRET, made["key"])] == [401, 200]


async def test_books_change_by_hand_and_by_themselves(e2cc: E2ccSimulator) -> None:
    control = f"{e2cc.control_url}/_sim/orders"
    order = next(iter(e2cc.ledger.orders()))
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        await client.post(control, json={"order": order, "status": "Canceled"})
        assert (await client.get(control)).json()[order]["status"] == "Canceled"
        await client.post(control, json={"order": order, "gone": True, "fill": 10})
        assert (await client.post(control, json={"order": order})).status_code == 400
    assert len(e2cc.ledger.orders()) == 39
    e2cc.ledger.happen(2_000, QUIET.changed({"deleted": 0.02}))
    assert {event["set"] for event in e2cc.ledger.log(0)} == {"orders", "inventories", "invoices", "rmas"}
