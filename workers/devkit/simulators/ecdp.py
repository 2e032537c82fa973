"""ECDP as its page describes it, strictly: limits, codes, bodies; one bad order refuses the whole POST."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import orjson

from workers.devkit.simulators import SECRET, SimulatorOptions, SinkSide
from workers.devkit.simulators.ecdp_rules import MODES, order_errors, status_errors
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.server import JSON_TYPE, Answer, Effect, Received, Simulated

TITLES: Final = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 413: "Payload Too Large"}
INTERNAL_ERROR: Final = 500
DONE: Final = b'{"status":0}'
DELETED: Final = "IsDeleted"


@dataclass
class Kept:
    """One order as ECDP has it."""

    json: bytes
    status: str


@dataclass
class EcdpLedger:
    """Everything received and applied."""

    api_key: str
    keep_content: bool = True
    kept: dict[str, Kept] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)

    def answer(self, request: Received, faults: Faults) -> Answer:
        """Apply the request and answer it as documented."""
        if request.headers.get("x-api-key") != self.api_key:
            return self.trouble(401)
        if request.body and request.headers.get("content-type", "").partition(";")[0].strip() != JSON_TYPE:
            return self.trouble(415)
        match request.method, request.path:
            case "PUT", "/orders/status":
                return self._put(request.body, faults)
            case "POST", "/orders":
                return self._post(request.body, faults)
            case ("GET" | "DELETE") as method, path if path.startswith("/orders/") and path.count("/") == 2:  # noqa: PLR2004
                return self._one(method, unquote(path.removeprefix("/orders/")))
        return self.trouble(404)

    def trouble(self, status: int, errors: list[str] | None = None) -> Answer:
        """Answer with a problem as ECDP's page shows it; it has no codes of its own."""
        status = status if status > 0 else INTERNAL_ERROR
        problem: dict[str, Any] = {
            "type": f"https://httpstatuses.io/{status}",
            "title": TITLES.get(status, "Error"),
            "status": status,
            "substatus": "CustomerInvalidModelState",
            "detail": "See the errors." if errors else "",
            "instance": "/orders",
        }
        if errors is not None:
            problem["errors"] = errors
        return Answer(status, orjson.dumps(problem))

    def refused_with_200(self) -> Answer:
        """Answer 200 with errors, as its WooCommerce plug-in expects to happen."""
        return self.trouble(400, ["Refused with status 200."])._replace(status=200)

    def stats(self) -> dict[str, Any]:
        """Count orders by status, and effects."""
        return {
            "orders": len(self.kept),
            "orders_by_status": dict(Counter(kept.status for kept in self.kept.values())),
            "effects": len(self.effects),
        }

    def orders(self) -> dict[str, Any]:
        """Return every order by id, as ``GET`` shows it."""
        return {order_id: self._shown(order_id) for order_id in self.kept}

    def log(self, start: int) -> list[dict[str, Any]]:
        """Return the effects from an index on."""
        return [effect._asdict() for effect in self.effects[start:]]

    def _put(self, body: bytes, faults: Faults) -> Answer:
        try:
            change = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self.trouble(400, ["The body is not JSON."])
        errors = list(status_errors(change))
        if errors:
            return self.trouble(400, errors)
        order_id: str = change["orderId"]
        self.attempts[order_id] += 1
        if order_id in faults.bad_ids:
            return self.trouble(400, ["This order is always refused."])
        if order_id in faults.broken_ids:
            return self.trouble(500)
        kept = self.kept.get(order_id)
        if kept is None:
            unknown = faults.unknown_order
            return Answer(200, DONE) if unknown == 200 else self.trouble(unknown, ["There is no such order."])  # noqa: PLR2004
        kept.status = change["orderStatus"].lower()
        self._applied(order_id, kept.status)
        return Answer(200, DONE)

    def _post(self, body: bytes, faults: Faults) -> Answer:
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self.trouble(400, ["The body is not JSON."])
        mode, data = (request.get("mode"), request.get("data")) if isinstance(request, dict) else (None, None)
        if mode not in MODES or not isinstance(data, list) or not data:
            return self.trouble(400, ["The mode and data fields are required."])
        if faults.max_orders is not None and len(data) > faults.max_orders:
            return self.trouble(413)
        errors = [error for order in data for error in order_errors(order)]
        if errors:
            return self.trouble(400, errors)
        return self._take(mode, data, faults)

    def _take(self, mode: str, data: list[dict[str, Any]], faults: Faults) -> Answer:
        ids = [order["id"] for order in data]
        self.attempts.update(ids)
        if not faults.broken_ids.isdisjoint(ids):
            return self.trouble(500)
        errors = self._refusals(mode, ids, faults)
        if errors:
            return self.trouble(400, errors)
        for order in data:
            self._keep(order)
        return Answer(201, DONE)

    def _refusals(self, mode: str, ids: list[str], faults: Faults) -> list[str]:
        errors = ["One order stands twice in the request."] if len(set(ids)) < len(ids) else []
        if not faults.bad_ids.isdisjoint(ids):
            errors.append("An order of the request is always refused.")
        if mode == "Add" and any(order_id in self.kept for order_id in ids):
            errors.append("An order with this id exists.")
        if mode == "Replace" and any(order_id not in self.kept for order_id in ids):
            errors.append("An order with this id does not exist.")
        return errors

    def _keep(self, order: dict[str, Any]) -> None:
        order_id: str = order["id"]
        there = self.kept.get(order_id)
        status = order.get("status") or (there.status if there else "")
        json = orjson.dumps(order) if self.keep_content else b"{}"
        self.kept[order_id] = Kept(json, status.lower())
        self._applied(order_id, "replace" if there else "add")

    def _applied(self, order_id: str, what: str) -> None:
        self.effects.append(Effect(order_id, what, self.attempts[order_id]))

    def _one(self, method: str, order_id: str) -> Answer:
        kept = self.kept.get(order_id)
        if kept is None:
            return self.trouble(404)
        if method == "DELETE":
            kept.status = DELETED
            self.attempts[order_id] += 1
            self._applied(order_id, "delete")
        return Answer(200, orjson.dumps({"status": 0, "data": self._shown(order_id)}))

    def _shown(self, order_id: str) -> dict[str, Any]:
        kept = self.kept[order_id]
        order: dict[str, Any] = orjson.loads(kept.json)
        order["customer"] = {"id": 1, **order.get("customer", {})}
        return {**order, "id": order_id, "status": kept.status}


EcdpSimulator: TypeAlias = Simulated[EcdpLedger]


def simulator(options: SimulatorOptions) -> EcdpSimulator:
    """Make ECDP on loopback."""
    return Simulated(EcdpLedger(options.secret, options.keep_content), options)


SINK_SIDE: Final = SinkSide(
    variables={"API_KEY": SECRET},
    order_number=lambda order_id, _: order_id,
    expected_state=lambda _, statuses: statuses[-1] if statuses else "",
    state=lambda shown: str(shown["status"]),
)
