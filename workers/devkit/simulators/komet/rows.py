"""The rows of Komet's answers, as far as its pages show their fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from workers.devkit.simulators.komet.seller import (
    CUSTOMER_ID,
    LOCATION_ID,
    PRODUCTS,
    Invoice,
    Line,
    Prebook,
    Stock,
    Version,
)


def invoice_row(invoice: Invoice, version: Version) -> dict[str, Any]:
    """A row of ``invoice.list``."""
    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": version.status,
        "createdOn": stamp(invoice.created_ms),
        "updatedOn": stamp(version.updated_ms),
        "shipDate": invoice.ship_day.isoformat(),
        "total": version.cents / 100,
        "customerId": int(CUSTOMER_ID),
        "customerName": "Sample Florist",
        "customerPONumber": invoice.customer_po,
        "locationId": int(LOCATION_ID),
        "isEcommerce": invoice.is_web,
        "salesPersonName": "Sample P.",
        "invoiceNotes": "",
        "carrierName": "Sample Trucking",
    }


def details_row(invoice: Invoice, version: Version) -> dict[str, Any]:
    """A row of ``invoice.details.list``."""
    return {
        "id": invoice.id,
        "number": invoice.number,
        "shipDate": invoice.ship_day.isoformat(),
        "details": [_detail(line) for line in version.lines],
        "additionalChargesDetails": [],
    }


def _detail(line: Line) -> dict[str, Any]:
    return {
        "detailId": line.id,
        "productId": line.product_id,
        "productDescription": line.product,
        "totalBoxes": line.boxes,
        "totalUnits": line.boxes,
        "unitPrice": line.cents / 100,
        "totalPrice": line.boxes * line.cents / 100,
        "breakdowns": [],
        "boxes": [{"boxId": line.id * 1_000 + box} for box in range(line.boxes)],
    }


def prebook_row(prebook: Prebook) -> dict[str, Any]:
    """A row of ``prebook.list``."""
    return {
        "id": prebook.id,
        "number": prebook.number,
        "truckDate": prebook.truck_day.isoformat(),
        "type": "P",
        "checkOutStatus": int(prebook.checked_out),
        "customerId": int(CUSTOMER_ID),
        "customerName": "Sample Florist",
        "customerPONumber": "",
        "carrierName": "Sample Trucking",
    }


def stock_row(stock: Stock) -> dict[str, Any]:
    """A row of ``ecommerce/inventory.list``."""
    return {
        "inventoryLineId": stock.id,
        "inventoryOrigin": stock.origin,
        "productDescription": PRODUCTS[stock.product_id % len(PRODUCTS)],
        "availableBoxes": stock.boxes,
        "price": stock.cents / 100,
    }


def stamp(ms: int) -> str:
    """``2026-11-28 13:30:00`` in GMT."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
