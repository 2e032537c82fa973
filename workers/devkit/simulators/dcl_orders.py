"""The orders of a simulated DCL: each version has a time stamp, and an instant from which it shows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

ACCOUNT: Final = "10501"
CARRIERS: Final = (("UPS", "GROUND"), ("FEDEX", "2DAY"), ("USPS", "PRIORITY"))
WAY: Final = (10, 20, 30, 40, 60)  # the usual stages of an order
DETOURS: Final = {10: (4, 6), 4: (10,), 6: (10,), 20: (2,), 40: (50,), 50: (55, 60), 55: (60,)}
TEXTS: Final = {
    2: "Order Cancelled",
    4: "AV Required",
    5: "DPS Required",
    6: "Ship Method Rev",
    10: "Order Received",
    20: "Pick List Printed",
    30: "Partially Verified",
    40: "Fully Verified",
    50: "Partially Shipped",
    52: "Partially Shipped/Partially Verified",
    55: "Partially Shipped/Fully Verified",
    60: "Fully Shipped",
    62: "Closed Short",
    70: "Sub Order Shipped",
}
PARTIALLY_SHIPPED: Final = 50
SHIPPED: Final = 60


class Version(NamedTuple):
    """An order as it was from one change to the next."""

    modified_ms: int  # whole seconds, as DCL shows them
    visible_ms: int  # from when it is shown: a database's copy may lag
    stage: int
    delivered: bool
    cancelled: bool = False


@dataclass
class DclOrders:
    """Every order with its versions, oldest first."""

    clock_ms: Callable[[], int]
    rng: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - no secret
    versions: dict[str, list[Version]] = field(default_factory=dict)
    made: int = 0
    prefix: str = "DEMO-"  # of the order numbers that it makes up

    def put(
        self, number: str, stage: int, *, delivered: bool = False, lag_ms: int = 0, shows_after_ms: int = 0
    ) -> None:
        """Create an order or move it on; the change shows ``shows_after_ms`` and up to ``lag_ms`` later."""
        now = self.clock_ms()
        shows = now + shows_after_ms + round(self.rng.random() * lag_ms)
        version = Version(now // 1000 * 1000, shows, stage, delivered, cancelled=stage == 2)  # noqa: PLR2004
        self.versions.setdefault(number, []).append(version)

    def happen(self, lag_ms: int = 0) -> str:
        """Receive an order, or move one to its next stage, at random; returns its number."""
        number = self._next()
        versions = self.versions.get(number)
        if versions is None:
            self.put(number, WAY[0], lag_ms=lag_ms)
        else:
            last = versions[-1]
            self.put(number, self._after(last.stage), delivered=last.stage == SHIPPED, lag_ms=lag_ms)
        return number

    def latest(self, number: str) -> Version:
        return self.versions[number][-1]

    def shown(self) -> Iterator[tuple[str, Version]]:
        """Every order that shows by now, in the version that shows."""
        now = self.clock_ms()
        for number, versions in self.versions.items():
            for version in reversed(versions):
                if version.visible_ms <= now:
                    yield number, version
                    break

    def _next(self) -> str:
        """One in three changes is a new order."""
        if self.made == 0 or self.rng.random() < 1 / 3:
            self.made += 1
            return f"{self.prefix}{self.made:06}"
        return f"{self.prefix}{self.rng.randint(max(1, self.made - 300), self.made):06}"

    def _after(self, stage: int) -> int:
        if stage in DETOURS and self.rng.random() < 0.15:  # noqa: PLR2004 - now and then
            return self.rng.choice(DETOURS[stage])
        later = [one for one in WAY if one > stage]
        return later[0] if later and stage != 2 else stage  # noqa: PLR2004


def sink_report(number: str) -> str:
    """Return the account of an order: ``10502/A7`` belongs to another account than ``A7``."""
    account, slash, _ = number.rpartition("/")
    return account if slash else ACCOUNT


def row(number: str, version: Version, modified_at: str) -> dict[str, Any]:
    """One order as DCL's page shows it."""
    carrier, service = CARRIERS[sum(number.encode()) % len(CARRIERS)]
    return {
        "order_status": 1,
        "order_number": number.rpartition("/")[2],
        "location": "FR",
        "order_stage": version.stage,
        "stage_description": TEXTS.get(version.stage, "Not Documented"),
        "is_cancelled": version.cancelled,
        "is_back_order": False,
        "account_number": sink_report(number),
        "order_type": "REST",
        "system_id": "P",
        "ordered_date": modified_at[:10],
        "received_date": modified_at[:10],
        "po_number": f"PO{number}",
        "customer_number": "",
        "shipping_carrier": carrier,
        "shipping_service": service,
        "shipping_address": _ADDRESS,
        "billing_address": None,
        "order_subtotal": 0.00,
        "packing_list_type": 101,
        **{f"custom_field{n}": "" for n in range(1, 6)},
        "order_lines": [_LINE],
        "shipments": [_shipment(number, version, carrier, service, modified_at)]
        if version.stage >= PARTIALLY_SHIPPED
        else None,
        "modified_at": modified_at,
    }


def _shipment(number: str, version: Version, carrier: str, service: str, at: str) -> dict[str, Any]:
    package = {
        "carton_id": f"C{number}",
        "carton_count_number": 1,
        "weight": 1.0,
        "tracking_number": f"1Z{number}",
        "delivery_date": at[:19] if version.delivered else None,
        "delivery_status": "Delivered" if version.delivered else "",
        "asn": None,
        "shipped_items": [
            {
                "item_number": "1002-002",
                "description": "A sample product",
                "line_number": 1,
                "quantity": 5,
                "serial_numbers": [f"SN{number}"],
                "lot_numbers": None,
                "lot_details": None,
            }
        ],
    }
    return {
        "ship_id": sum(number.encode()),
        "ship_date": at[:10],
        "shipping_carrier": carrier,
        "shipping_service": service,
        "total_weight": 1.0,
        "total_charge": 7.35,
        "reference1": f"1Z{number}",
        "rs_tracking_number": "",
        "packages": [package],
    }


_ADDRESS: Final = {
    "company": "Sample Ltd",
    "attention": "Sample P.",
    "address1": "1 Sample Street",
    "city": "Fremont",
    "state_province": "CA",
    "postal_code": "94538",
    "country": "UNITED STATES",
}
_LINE: Final = {
    "line_number": 1,
    "item_number": "1002-002",
    "description": "A sample product",
    "quantity": 5,
    "is_back_order": False,
    "price": 2.99,
    "custom_field3": "1",
    "bundle_lines": None,
}
