"""DCL's answers, made for a test: one order as on its page, and the envelope."""

from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson

from workers.core.poll.time_range import TimeRange

FIRST = 1_417_000_000_000  # 2014-11-26T11:06:40Z
HOUR = TimeRange(FIRST, FIRST + 3_600_000)
NOW = HOUR.end_ms
ROW: dict[str, Any] = {
    "order_status": 1,
    "order_number": "TEST02",
    "order_stage": 60,
    "stage_description": "Fully Shipped",
    "is_cancelled": False,
    "is_back_order": False,
    "account_number": "10501",
    "po_number": "100002",
    "customer_number": "",
    "shipments": [
        {
            "ship_id": 5721085,
            "ship_date": "2014-11-25",
            "shipping_carrier": "UPS",
            "shipping_service": "GROUND",
            "packages": [
                {"carton_id": "B", "tracking_number": "T2", "delivery_status": "Delivered", "delivery_date": None},
                {
                    "carton_id": "A",
                    "tracking_number": "T1",
                    "delivery_date": "2014-11-28T11:05:22",
                    "delivery_status": "Delivered",
                },
            ],
        }
    ],
    "modified_at": "2014-11-26T04:00:00-08:00",
}


def asked(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}


def answer(*rows: Any, status: int = 200, **envelope: Any) -> httpx.Response:
    body = {"error_code": 0, "error_message": "", "orders": list(rows)} | envelope
    return httpx.Response(status, content=orjson.dumps(body), headers={"content-type": "application/json"})
