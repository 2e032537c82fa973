"""E2CC as its page describes the portal API, with all that the page leaves open as knobs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import orjson

from workers.devkit.simulators.e2cc.access_keys import AccessKeys
from workers.devkit.simulators.e2cc.books import Books
from workers.devkit.simulators.e2cc.by_hand import change
from workers.devkit.simulators.e2cc.conditions import NotUnderstoodError
from workers.devkit.simulators.e2cc.portal import NotFoundError, Portal, number_of
from workers.devkit.simulators.e2cc.queue import RequestQueue
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.server import Answer, Received

PATH: Final = "/api"
KEYS_PAGE_SIZE: Final = 20
MOST_AT_ONCE: Final = 10_000  # changes
CHANGES: Final = 0.5  # things that happen a second, unless the knob says otherwise
ERRORS: Final = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass
class E2ccLedger:
    """The vendor's behaviour without HTTP, so that a test may drive it by its own clock."""

    books: Books
    keys: AccessKeys
    queue: RequestQueue
    rng: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311 - no secret
    lived_ms: int | None = None  # up to when things have happened by themselves
    paths: Counter[str] = field(default_factory=Counter)  # requests by kind
    events: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: Received, faults: Faults) -> Answer:
        """Answer one request; it waits in the queue like any other."""
        waits_s = self.queue.enter(faults.queue_latency)
        return self._answered(request, faults)._replace(after_s=waits_s)

    def trouble(self, status: int) -> Answer:
        """Answer with an error in E2CC's form."""
        return _json({"error": ERRORS.get(status, "Internal Server Error")}, status)

    def refused_with_200(self) -> Answer:
        """Answer 200 with an error instead of an array."""
        return _json({"error": "Failed to fetch"})

    def stats(self) -> dict[str, Any]:
        """Count the records, the requests by path, and how deep the queue was."""
        books = self.books
        return {
            "orders": len(books.by_name),
            "orders_by_status": Counter(order.status for order in books.orders.records),
            "shipments": len(books.shipments.records),
            "invoices": len(books.invoices.records),
            "inventories": len(books.items),
            "rmas": len(books.returns),
            "changes": len(self.events),
            "paths": dict(self.paths),
            "deepest_queue": self.queue.deepest,
        }

    def orders(self) -> dict[str, Any]:
        """Return every order by type and number, as it is now, with its shipments."""
        return {
            name: {
                "status": order.status,
                "customerOrder": order.customer_order,
                "shipments": {one.number: one.status for one in order.shipments},
            }
            for name, order in self.books.by_name.items()
        }

    def log(self, start: int) -> list[dict[str, Any]]:
        """Return what has happened, from an index on."""
        return self.events[start:]

    def move(self, wanted: Any) -> Any:
        """Change the books by hand; raises `ValueError`."""
        found = change(self.books, wanted)
        self.events += found
        return found

    def happen(self, count: int, faults: Faults) -> None:
        """Let things happen at random."""
        self.events += [self.books.happen(faults.deleted) for _ in range(count)]

    def live(self, changes: float, faults: Faults) -> None:
        """Let happen what has happened since the last request: nothing has to run between two requests."""
        now = self.books.clock_ms()
        if self.lived_ms is None:
            self.lived_ms = now
        count = int((now - self.lived_ms) * changes / 1000)
        if count:
            self.lived_ms = now
            self.happen(min(count, MOST_AT_ONCE), faults)

    def _answered(self, request: Received, faults: Faults) -> Answer:
        if not self.keys.accepts(_key(request), faults.key_cache):
            return self.trouble(401)
        self.live(CHANGES if faults.changes is None else faults.changes, faults)
        head, _, path = request.path.partition(f"{PATH}/")
        parts, asked = [unquote(part) for part in path.split("/")], dict(parse_qsl(request.query))
        self.paths[f"{request.method} /{parts[0]}{'/:id' * (len(parts) > 1)}"] += 1
        if not head and parts[0] == "access-key":
            return self._access_key(request, parts[1:], asked)
        return self.trouble(404) if head or request.method != "GET" else self._read(parts, asked, faults)

    def _read(self, parts: Sequence[str], asked: Mapping[str, str], faults: Faults) -> Answer:
        try:
            found = Portal(self.books, self.rng).read(parts, asked, faults)
        except NotFoundError:
            return self.trouble(404)
        except NotUnderstoodError:
            return _json({"error": f"Failed to fetch {parts[0]}"}, 500)
        self.happen(faults.changes_per_page, faults)
        return _json(found)

    def _access_key(self, request: Received, named: Sequence[str], asked: Mapping[str, str]) -> Answer:
        match request.method, named:
            case "GET", []:
                return self._listed_keys(asked)
            case "POST", []:
                return _json(self.keys.create(_body(request)), 201)
            case (("PATCH" | "DELETE"), [text]):
                key = self.keys.find(text)
            case _:
                key = None
        if key is None:
            return self.trouble(404)
        if request.method == "PATCH":
            return _json(self.keys.rotate(key, _body(request)))
        return _json(self.keys.remove(key, for_good=asked.get("action") == "delete" or asked.get("hard") == "true"))

    def _listed_keys(self, asked: Mapping[str, str]) -> Answer:
        found = [key.row() for key in self.keys.keys if asked.get("status", key.status) == key.status]
        page, size = number_of(asked, "page", 1), number_of(asked, "pageSize", KEYS_PAGE_SIZE)
        pagination = {"page": page, "pageSize": size, "total": len(found)}
        return _json({"data": found[(page - 1) * size : page * size], "pagination": pagination})


def _key(request: Received) -> str:
    bearer = request.headers.get("Authorization", "")
    return bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else request.headers.get("api-key", "")


def _body(request: Received) -> dict[str, Any]:
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _json(body: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(body))
