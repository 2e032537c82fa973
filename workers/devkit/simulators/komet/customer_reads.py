"""The methods that only commands ask for: the customer's addresses and carriers, and an invoice as a PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from workers.devkit.simulators.komet.envelope import Asked, Method, RefusedError
from workers.devkit.simulators.komet.seller import CUSTOMER_ID

STRAY: Final = "00, "  # as the samples of the page begin


def ship_tos(asked: Asked) -> dict[str, Any]:
    """Where the customer's orders may go."""
    _customer(asked)
    return {"shiptos": [{"id": 31, "shipToCode": "SHOP", "name": "Sample Florist", "city": "Orlando", "carrierId": 9}]}


def carriers(asked: Asked) -> dict[str, Any]:
    """Who may carry a purchase of the date."""
    _customer(asked)
    if not all(asked.text(name) for name in ("date", "availableFrom", "availableTo")):
        raise RefusedError("date, availableFrom and availableTo are required.")
    return {"carrierId": 9, "carrierName": "Sample Trucking", "carriers": [{"carrierId": 9, "name": "Sample Trucking"}]}


def invoice_pdf(asked: Asked) -> dict[str, Any]:
    """An invoice, as signed bytes."""
    invoice = asked.seller.invoices.get(asked.number("invoiceId"))
    if invoice is None:
        raise RefusedError("Invoice not found.")
    pdf = f"%PDF-1.4\n% invoice {invoice.number} \u00e9\u00ff\n%%EOF\n".encode("latin-1")
    signed = ", ".join(str(byte - 256 if byte > 127 else byte) for byte in pdf)  # noqa: PLR2004 - a signed byte
    return {"suggestedFileName": f"Invoice_{invoice.number}.pdf", "file": STRAY + signed}


def _customer(asked: Asked) -> None:
    if asked.text("customerId") != CUSTOMER_ID:
        raise RefusedError("customerId is required.")


CUSTOMER_READS: Final[Mapping[str, Method]] = {
    "customer.shipto.list": Method("GET", "query", ship_tos),
    "ecommerce/customer-carriers.list": Method("GET", "header", carriers),
    "invoice.pdf.get": Method("POST", "body", invoice_pdf),
}
