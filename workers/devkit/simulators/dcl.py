"""DCL as its page describes GET orders, with all that the page leaves open as knobs: sorting, lag, naive times."""

from __future__ import annotations

import time
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import orjson

from workers.devkit.simulators import SECRET, PollerSide, SimulatorOptions
from workers.devkit.simulators.dcl_filter import BadRequestError, Condition, conditions, limited
from workers.devkit.simulators.dcl_orders import PARTIALLY_SHIPPED, DclOrders, Version, row
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.server import Answer, Received, Simulated

USERNAME: Final = "demo"
PACIFIC: Final = ZoneInfo("America/Los_Angeles")
PARAMETERS: Final = frozenset(
    (
        "status",
        "order_numbers",
        "received_from",
        "received_to",
        "shipped_from",
        "shipped_to",
        "modified_from",
        "modified_to",
        "fields",
        "page",
        "page_size",
        "filter",
        "extended_date",
    )
)
MAX_PAGE_SIZE: Final = 100
PATH: Final = "/api/v1/orders"
FIRST_ORDERS: Final = 40  # when it starts
CHANGES: Final = 0.5  # orders that change a second, unless the knob says otherwise


@dataclass
class DclLedger:
    """The vendor's behaviour without HTTP, so that a test may drive it by its own clock."""

    password: str
    orders_by_number: DclOrders
    lived_ms: int | None = None  # up to when orders have changed by themselves
    pages: Counter[int] = field(default_factory=Counter)  # by page number
    events: list[dict[str, Any]] = field(default_factory=list)
    ignores_filter: bool = False  # the page does not say that a wrong filter is refused

    def answer(self, request: Received, faults: Faults) -> Answer:
        """Answer GET orders."""
        expected = "Basic " + b64encode(f"{USERNAME}:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return self.trouble(401)
        if (request.method, request.path) != ("GET", PATH):
            return self.trouble(404)
        self._live(faults)
        try:
            return self._get(dict(parse_qsl(request.query)), faults)
        except BadRequestError as error:
            return self._says(400, 40, str(error))

    def trouble(self, status: int) -> Answer:
        """Answer with an error in DCL's envelope."""
        return self._says(status, status, "An error has occurred.")

    def refused_with_200(self) -> Answer:
        """Answer 200 with an error code: no list at all."""
        return self._says(200, 99, "An error has occurred.")

    def stats(self) -> dict[str, Any]:
        """Count orders by stage, and pages read."""
        latest = (versions[-1] for versions in self.orders_by_number.versions.values())
        return {
            "orders": len(self.orders_by_number.versions),
            "orders_by_stage": {str(k): n for k, n in sorted(Counter(one.stage for one in latest).items())},
            "changes": len(self.events),
            "pages": {str(k): n for k, n in self.pages.items()},
        }

    def orders(self) -> dict[str, Any]:
        """Return every order by number, as it is now, shown or not."""
        return {
            number: row(number, versions[-1], _stamp(versions[-1], naive=False))
            for number, versions in self.orders_by_number.versions.items()
        }

    def log(self, start: int) -> list[dict[str, Any]]:
        """Return the changes from an index on."""
        return self.events[start:]

    def put(self, number: str, stage: int, *, delivered: bool = False, shows_after_ms: int = 0) -> None:
        """Change an order by hand."""
        self.orders_by_number.put(number, stage, delivered=delivered, shows_after_ms=shows_after_ms)
        self._note(number)

    def happen(self, count: int, faults: Faults) -> None:
        """Let orders change at random."""
        for _ in range(count):
            self._note(self.orders_by_number.happen(round(faults.visible_after * 1000)))

    def _note(self, number: str) -> None:
        version = self.orders_by_number.latest(number)
        self.events.append({"order_number": number, "stage": version.stage, "modified_ms": version.modified_ms})

    def _live(self, faults: Faults) -> None:
        """Make the changes since the last request: nothing has to run between two requests."""
        now = self.orders_by_number.clock_ms()
        if self.lived_ms is None:
            self.lived_ms = now
        count = int((now - self.lived_ms) * _rate(faults) / 1000)
        if count:
            self.lived_ms = now
            self.happen(min(count, 10_000), faults)
        self.happen(faults.changes_per_page, faults)

    def _get(self, asked: Mapping[str, str], faults: Faults) -> Answer:
        unknown = asked.keys() - PARAMETERS
        if unknown:
            raise BadRequestError(f"Unknown parameter {min(unknown)}.")
        page, size = _number(asked, "page", 1), min(_number(asked, "page_size", MAX_PAGE_SIZE), MAX_PAGE_SIZE)
        self.pages[page] += 1
        found = self._sorted(self._matching(asked), faults)[(page - 1) * size : page * size]
        rows = [
            limited(row(number, version, _stamp(version, naive=faults.naive_times)), asked.get("fields", ""))
            for number, version in found
        ]
        return Answer(200, orjson.dumps({"error_code": 0, "error_message": "", "orders": rows}))

    def _matching(self, asked: Mapping[str, str]) -> list[tuple[str, Version]]:
        numbers = set(asked["order_numbers"].split(",")) if asked.get("order_numbers") else None
        first, last = _time(asked, "modified_from"), _time(asked, "modified_to")
        wanted = [] if self.ignores_filter else conditions(asked.get("filter", ""))
        return [
            (number, version)
            for number, version in self.orders_by_number.shown()
            if (numbers is None or number.rpartition("/")[2] in numbers)
            and (not wanted or _fits(number, version, wanted))
            and _is_shipped_in(version, asked)
            and (first is None or version.modified_ms >= first)
            and (last is None or version.modified_ms <= last)
        ]

    def _sorted(self, found: list[tuple[str, Version]], faults: Faults) -> list[tuple[str, Version]]:
        match faults.sort:
            case "ascending":
                return sorted(found, key=lambda one: one[1].modified_ms)
            case "descending":
                return sorted(found, key=lambda one: -one[1].modified_ms)
            case "id":
                return sorted(found)
            case "unstable":
                self.orders_by_number.rng.shuffle(found)
                return found

    @staticmethod
    def _says(status: int, code: int, message: str) -> Answer:
        return Answer(status, orjson.dumps({"error_code": code, "error_message": message}))


def _rate(faults: Faults) -> float:
    return CHANGES if faults.changes is None else faults.changes


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise BadRequestError(f"{name} must be a number of 1 or more.")
    return int(text)


def _fits(number: str, version: Version, wanted: Sequence[Condition]) -> bool:
    shown = row(number, version, _stamp(version, naive=True))
    return all(condition.holds(shown) for condition in wanted)


def _is_shipped_in(version: Version, asked: Mapping[str, str]) -> bool:
    """Whether it has a shipment of these days; any order when no day is asked for."""
    first, last = asked.get("shipped_from"), asked.get("shipped_to")
    if first is None and last is None:
        return True
    day = _stamp(version, naive=True)[:10]
    return version.stage >= PARTIALLY_SHIPPED and (first or day)[:10] <= day <= (last or day)[:10]


def _time(asked: Mapping[str, str], name: str) -> int | None:
    """Without an offset it is "local PST", as the page says; taken as Pacific time."""
    if name not in asked:
        return None
    try:
        given = datetime.fromisoformat(asked[name])
    except ValueError as error:
        raise BadRequestError(f"{name} must be an ISO-8601 time.") from error
    return int((given if given.tzinfo else given.replace(tzinfo=PACIFIC)).timestamp() * 1000)


def _stamp(version: Version, *, naive: bool) -> str:
    local = datetime.fromtimestamp(version.modified_ms / 1000, UTC).astimezone(PACIFIC)
    return (local.replace(tzinfo=None) if naive else local).isoformat(timespec="seconds")


DclSimulator: TypeAlias = Simulated[DclLedger]


def simulator(options: SimulatorOptions) -> DclSimulator:
    """Make DCL on loopback; its orders change by themselves, and it starts with some."""
    mine = f"D{int(time.time()):x}-"  # a poller's state outlives a simulator, so each start has other order numbers
    ledger = DclLedger(options.secret, DclOrders(lambda: time.time_ns() // 1_000_000, prefix=mine))
    if _rate(options.faults):
        ledger.happen(FIRST_ORDERS, options.faults)
    return Simulated(ledger, options, PATH.removesuffix("/orders"))


POLLER_SIDE: Final = PollerSide(
    busy_faults={"changes": 3},
    stage=lambda shown: str(shown["order_stage"]),
    event_ids=lambda _: frozenset(),
    variables={"USERNAME": USERNAME, "PASSWORD": SECRET},
)
