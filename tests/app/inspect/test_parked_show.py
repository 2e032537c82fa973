"""The request that `relay parked show` prints."""

from dataclasses import dataclass
from typing import Any, cast

import httpx

from workers.app.inspect.parked_show import request_json
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Status
from workers.vendors.contract import Call, Sink


@dataclass
class QuerySink:
    """A vendor that takes its token in the query string, and forgets to mask it."""

    def prepare(self, event: Status, _: Tracked | None) -> Call:
        return Call(event.order_id, creates_order=False, payload=None, size=0)

    def preview(self, _: Call) -> httpx.Request:
        return httpx.Request("GET", "https://k.example/order.cancel?order=A-1&authenticationToken=canary")


def test_the_shown_address_has_its_path_and_no_secret_of_its_query() -> None:
    event: Any = Status("A-1", cast("Any", {}))
    request = request_json(cast("Sink", QuerySink()), event)["request"]
    assert request["url"] == "https://k.example/order.cancel?order=A-1&authenticationToken=***"
