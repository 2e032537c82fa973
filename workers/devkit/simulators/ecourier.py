"""e-Courier as its page describes it, strictly: sessions, orders by OrderNumber, errors as HTTP 500 with a code."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from workers.devkit.simulators import SECRET, PollerSide, SimulatorOptions, SinkSide
from workers.devkit.simulators.ecourier_events import Move, identities, visible
from workers.devkit.simulators.ecourier_life import NEW, Life
from workers.devkit.simulators.ecourier_orders import DELETED, Orders
from workers.devkit.simulators.ecourier_rules import order_errors
from workers.devkit.simulators.ecourier_tokens import Tokens
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.server import JSON_TYPE, Answer, Effect, Received, Simulated
from workers.vendors.ecourier.order_number import order_number

BASE_PATH: Final = "/example/software/xml/ecJsonPost.asmx"
CODES: Final = {
    -1: "An undefined error has occurred",
    -2: "Unable to parse JSON",
    -3: "Unable to Connect to Database",
    -4: "Unable to perform the requested action",
    -5: "No UserGUID Received",
    -6: "No config file found: Configuration='{00000000-0000-0000-0000-000000000000}'",
}
UNABLE_TO_CANCEL, UNABLE_TO_MODIFY = "Order Unable to Cancel", "Order Unable to Modify"
INTERNAL_ERROR: Final = 500


@dataclass
class EcourierLedger:
    """Everything received and applied."""

    secret: str
    tokens: Tokens = field(init=False)
    kept: Orders = field(default_factory=lambda: Orders(lambda: time.time_ns() // 1_000_000))
    life: Life = field(init=False)
    requests: Counter[str] = field(default_factory=Counter)  # by endpoint

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.secret)
        self.life = Life(self.kept)

    def answer(self, request: Received, faults: Faults) -> Answer:
        """Apply the request and answer it as documented."""
        endpoint = request.path.removeprefix(BASE_PATH + "/")
        if request.method != "POST" or request.path == endpoint:
            return self.trouble(405 if request.path != endpoint else 404)
        self.requests[endpoint] += 1
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return self.trouble(-2)
        if request.headers.get("content-type", "").partition(";")[0].strip() != JSON_TYPE or not isinstance(body, dict):
            return self.trouble(-2)
        if endpoint == "Login":
            return self._login(body)
        token = request.headers.get("UserGUID", "")
        if not self.tokens.use(token, faults.token_uses):
            return self.trouble(faults.dead_token)
        self.life.live(faults)
        return self._known(endpoint, body, token, faults)

    def trouble(self, status: int, said: str = "") -> Answer:
        """Answer HTTP 500 with a code, as the page shows it; another HTTP error comes from some server in between."""
        if status not in CODES and status != INTERNAL_ERROR:
            return Answer(status)
        code = status if status in CODES else -1
        problem = {"status": str(code), "statusdescription": said or CODES[code]}
        return Answer(INTERNAL_ERROR, orjson.dumps(problem))

    def refused_with_200(self) -> Answer:
        """Answer 200 with a status that is not 0."""
        return self.trouble(-4)._replace(status=200)

    def stats(self) -> dict[str, Any]:
        """Count requests by endpoint, logins, and what was applied."""
        return {"endpoints": dict(self.requests), **self.tokens.stats(), **self.kept.stats()}

    def orders(self) -> dict[str, Any]:
        """Return every order by OrderNumber, as GetJsonOrder would show it, with the events that do not show yet."""
        return {number: self.kept.shown(number) for number in self.kept.by_number}

    def move(self, given: Any) -> dict[str, Any]:
        """Set an order's status, or add an event to it, and return it; raises `ValueError`."""
        move = Move.model_validate(given)
        kept = self.kept.by_number.get(move.order_number)
        if kept is None:
            raise ValueError(f"there is no order {move.order_number}")
        if move.status is not None:
            kept.order = kept.order | {"OrderStatus": move.status}
        if move.event is not None:
            self.kept.enter(kept, move.event)
        return self.kept.shown(move.order_number)

    def log(self, start: int) -> list[dict[str, Any]]:
        """Return the effects from an index on."""
        return [effect._asdict() for effect in self.effects[start:]]

    @property
    def effects(self) -> list[Effect]:
        """What was applied to orders: create, update, cancel."""
        return self.kept.effects

    def _login(self, body: dict[str, Any]) -> Answer:
        if not (body.get("website") and body.get("username")) or body.get("password") != self.secret:
            return self.trouble(-4, "Login failed")
        return _done(UserGUID=self.tokens.grant())

    def _known(self, endpoint: str, body: dict[str, Any], token: str, faults: Faults) -> Answer:
        match endpoint:
            case "RefreshGUID":
                return _done(UserGUID=self.tokens.refresh(token))
            case "GetJsonOrder":
                return self._get(body, token, faults)
            case "SaveOrder":
                return self._save(body, faults)
            case "QuoteOrder":
                return self._quote(body)
            case _:
                return self.trouble(404)

    def _get(self, body: dict[str, Any], token: str, faults: Faults) -> Answer:
        number = body.get("OrderNumber")
        if not isinstance(number, str) or number not in self.kept.by_number or number in faults.hidden_ids:
            return self.trouble(-4, "Order Not Found")
        self.life.happen(faults.changes_per_page, faults)
        events = visible(self.kept.by_number[number].events, self.kept.clock_ms(), faults.sort, self.life.rng)
        shown = self.kept.shown(number, events, single=faults.single_as_object)
        return Answer(200, orjson.dumps({"Order": {"@UserGUID": token, **shown}}))

    def _save(self, body: dict[str, Any], faults: Faults) -> Answer:
        order = body.get("Order")
        if not isinstance(order, dict) or not order:
            return self.trouble(-4, "Order is required")
        number = order.get("OrderNumber", "")
        errors = list(order_errors(order, new=number not in self.kept.by_number))
        if errors:
            return self.trouble(-4, "; ".join(errors))
        self.kept.attempts[number] += 1
        if number in faults.bad_ids:
            return self.trouble(-4, "This order is always refused")
        if number in faults.broken_ids:
            return self.trouble(-1)
        if number in faults.locked_ids:
            canceling = order.get("OrderStatus") == DELETED
            return self.trouble(-4, UNABLE_TO_CANCEL if canceling else UNABLE_TO_MODIFY)._replace(status=409)
        self.kept.save(order | {"OrderNumber": ""} if faults.own_numbers else order)
        return _done(UserGUID="JSON Post Recieved")

    def _quote(self, body: dict[str, Any]) -> Answer:
        order = body.get("Order")
        if not isinstance(order, dict):
            return self.trouble(-4, "Order is required")
        errors = list(order_errors(order, new=True))
        if errors:
            return self.trouble(-4, "; ".join(errors))
        return Answer(200, orjson.dumps({"Order": self.kept.quoted(order)}))


def _done(**fields: str) -> Answer:
    return Answer(200, orjson.dumps({"status": "0", **fields}))


EcourierSimulator: TypeAlias = Simulated[EcourierLedger]


def simulator(options: SimulatorOptions) -> EcourierSimulator:
    """Make e-Courier on loopback. Any website and user; the secret is the password.

    The secret is good as a UserGUID too, as one that was given by hand.
    """
    return Simulated(EcourierLedger(options.secret), options, BASE_PATH)


def _expected_state(order: Mapping[str, Any], statuses: Sequence[str]) -> str | None:
    """An order without a delivery, or created as canceled, is not sent; a later cancellation deletes it."""
    if not order.get("delivery") or order.get("status") == "canceled":
        return None
    return DELETED if "canceled" in statuses else NEW


SINK_SIDE: Final = SinkSide(
    variables={"WEBSITE": "example", "USERNAME": "demo", "PASSWORD": SECRET, "CUSTOMER_CODE": "DEMO"},
    order_number=lambda order_id, options: order_number(
        order_id, options.order_number_prefix, options.order_number_max
    ),
    expected_state=_expected_state,
    state=lambda shown: DELETED if shown["@OrderStatus"] == DELETED else NEW,  # drivers change the status too
)
POLLER_SIDE: Final = PollerSide(
    busy_faults={"changes": 15, "late_events": 0.2, "events_without_id": 0.1, "sort": "unstable"},
    stage=lambda shown: str(shown["@OrderStatus"]),
    event_ids=identities,
    variables=SINK_SIDE.variables,
)
