"""ECDP's answers, and a talk with a flow."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from workers.vendors.contract import Flow

POST = "POST /orders"
PUT = "PUT /orders/status"
GET = "GET /orders/12345"
BASE = "https://api.ecdp.app"


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=b"" if body is None else orjson.dumps(body))


NO = answer(400, {"title": "no"})
YES = answer(201)
ABSENT = answer(404, {"title": "Not Found"})


def there(attempt: Any, **changes: Any) -> httpx.Response:
    """The answer of `GET` for the order that the attempt would add."""
    order = orjson.loads(attempt.call.payload.json)
    return answer(200, {"status": 0, "data": {**order, "status": "Paid", **changes}})


def talk(flow: Flow[Any], *answers: httpx.Response | Exception) -> tuple[Any, Any]:
    """Give the answers in turn; return the requests and the flow's value."""
    asked = []
    try:
        request = next(flow)
        for each in answers:
            assert str(request.url).startswith(BASE)
            asked.append(f"{request.method} {request.url.raw_path.decode()}")
            request = flow.throw(each) if isinstance(each, Exception) else flow.send(each)
    except StopIteration as stop:
        return asked, stop.value
    pytest.fail(f"the flow sends another request: {request.method} {request.url}")
