"""The simulators answer as the vendors' pages say: one case an entry in ``cases/*.yaml``."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from workers.devkit.simulators import SECRET, SimulatorOptions, load
from workers.devkit.simulators.faults import QUIET

FILES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in (Path(__file__).parent / "cases").glob("*.yaml")
}
LOGIN = {
    "dcl": {"Authorization": "Basic " + b64encode(f"demo:{SECRET}".encode()).decode()},
    "e2cc": {"Authorization": f"Bearer {SECRET}"},
    "ecdp": {"x-api-key": SECRET},
    "ecourier": {"UserGUID": SECRET},
    "komet": {"authenticationToken": SECRET, "X-ACCOUNT": "7"},
}
SAVE = {"ecdp": "POST /orders", "ecourier": "POST /SaveOrder"}
CASES = [
    pytest.param(vendor, case, id=f"{vendor}: {case['claim']}") for vendor in FILES for case in FILES[vendor]["cases"]
]
LIMITS = [
    pytest.param(vendor, limit, id=f"{vendor} {number}")
    for vendor in SAVE
    for number, limit in enumerate(FILES[vendor]["limits"])
]


def one(vendor: str, order: Any) -> Any:
    """The body that saves one order."""
    return {"mode": "Add", "data": [order]} if vendor == "ecdp" else {"Order": order}


def filled(value: Any, order: Any) -> Any:
    """``order`` stands for the file's order, ``{times: N}`` for a text of that length."""
    match value:
        case "order":
            return order
        case {"times": int(length)}:
            return "x" * length
        case dict():
            return {name: filled(each, order) for name, each in value.items()}
        case list():
            return [filled(each, order) for each in value]
        case _:
            return value


def request(vendor: str, base: str, case: dict[str, Any]) -> httpx.Request:
    method, path = case["ask"].split(" ", 1)
    root = base.split("/", 3)[:3] if path.startswith("/_sim/") else [base]
    headers = {"content-type": "application/json"} | LOGIN[vendor] | case.get("headers", {})
    order = FILES[vendor].get("order")
    body = one(vendor, order) if case.get("json") == "order" else filled(case.get("json"), order)
    given = {"json": body} if "json" in case else {"content": case.get("text", "")}
    return httpx.Request(method, "/".join(root) + path, headers=headers, **given)


async def answered(vendor: str, case: dict[str, Any]) -> tuple[httpx.Response, list[str]]:
    """Send what was given, turn the knobs, and ask; return the answer, and the orders that the vendor has then."""
    simulator = load(vendor)(SimulatorOptions(faults=QUIET.changed({"changes": 0})))
    base = await simulator.start()
    control = f"{simulator.control_url}/_sim"
    try:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            for each in case.get("given", []):
                await client.send(request(vendor, base, each))
            (await client.post(f"{control}/faults", json=case.get("faults", {}))).raise_for_status()
            answer = await client.send(request(vendor, base, case))
            orders = (await client.get(f"{control}/orders")).json()
    finally:
        await simulator.stop()
    return answer, list(orders)


def holds(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; an object may hold more."""
    match wanted:
        case dict():
            return isinstance(found, dict) and all(holds(found.get(name), each) for name, each in wanted.items())
        case list():
            return len(found) == len(wanted) and all(map(holds, found, wanted))
        case _:
            return bool(found == wanted)


@pytest.mark.parametrize(("vendor", "case"), CASES)
async def test_a_vendor_answers_as_documented(vendor: str, case: dict[str, Any]) -> None:
    answer, orders = await answered(vendor, case)
    assert answer.status_code == case["status"], answer.text
    assert holds(answer.json(), case["answer"]) if "answer" in case else case.get("says", "") in answer.text, (
        answer.text
    )
    assert orders == case.get("orders", orders)


@pytest.mark.parametrize(("vendor", "limit"), LIMITS)
async def test_an_order_that_breaks_a_limit_is_refused(vendor: str, limit: dict[str, Any]) -> None:
    broken = FILES[vendor]["order"] | filled(limit["change"], None)
    answer, orders = await answered(vendor, {"ask": SAVE[vendor], "json": one(vendor, broken)})
    assert answer.status_code == {"ecdp": 400, "ecourier": 500}[vendor]
    assert limit["says"] in answer.text
    assert orders == []
