"""Komet's commands: thin reads of the customer, of what the web shop offers, and of an invoice's PDF."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Unavailable
from workers.vendors._shared.requests import SetUpError
from workers.vendors.commands import Given, Parameter, Shown, VendorCommand
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent
from workers.vendors.komet.answers.outcome import Body, Refused, answer_of, as_fault, is_nothing
from workers.vendors.komet.answers.values import text_of
from workers.vendors.komet.quota import QUOTA
from workers.vendors.komet.requests import KometRequests, komet_requests

PDF: Final = b"%PDF"
_BYTE: Final = re.compile(r"-?[0-9]{1,3}")
ALL_BYTES: Final = range(-128, 256)

DAY: Final = "A date: YYYY-MM-DD."


def invoice_pdf(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    """Read an invoice as a PDF; its id is Komet's internal one."""
    number = given.values["invoice"]
    if not number.isdecimal():
        return Rejected("its id is a whole number, Komet's internal one")
    found = yield from _asked(credentials, lambda komet: komet.by_body("invoice.pdf.get", {"invoiceId": int(number)}))
    if not isinstance(found, dict):
        return found
    pdf = pdf_of(found.get("file"))
    if pdf is None:
        return Unavailable("the answer holds no PDF")
    name = text_of(found.get("suggestedFileName")) or f"invoice-{number}.pdf"
    document = {"invoice_id": int(number), "file_name": name, "pdf_base64": base64.b64encode(pdf).decode()}
    return Shown(("file",), [(name,)], document, content=pdf)


def pdf_of(file: Any) -> bytes | None:
    """The PDF in a text of signed bytes with commas between them, from its ``%PDF`` on; None: there is none."""
    numbers = [each.strip() for each in file.split(",")] if isinstance(file, str) else []
    if not all(_BYTE.fullmatch(each) and int(each) in ALL_BYTES for each in numbers):
        return None
    whole = bytes(int(each) & 0xFF for each in numbers)  # -128 to 127
    start = whole.find(PDF)
    return whole[start:] if start >= 0 else None


def customer(_options: Any, credentials: Credentials, _given: Given) -> Flow[Shown | Outcome]:
    """Read the customer: one field a line."""
    found = yield from _asked(credentials, lambda komet: komet.by_query("customer.details.get", _of_customer(komet)))
    if not isinstance(found, dict):
        return found
    given = found.get("customer")
    rows = given if isinstance(given, list) else [given]
    fields = next((row for row in rows if isinstance(row, dict)), None)
    if fields is None:
        return Unavailable("the answer holds no customer")
    return Shown(("field", "value"), [(name, _text(value)) for name, value in fields.items()], {"customer": fields})


def ship_to(_options: Any, credentials: Credentials, _given: Given) -> Flow[Shown | Outcome]:
    """List the customer's ship-to addresses."""
    found = yield from _asked(credentials, lambda komet: komet.by_query("customer.shipto.list", _of_customer(komet)))
    return _table(found, "shiptos")


def carriers(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    """List the carriers for a purchase of a date."""
    values = given.values
    date = values["date"]
    since = values["available_from"] or date
    asked = {"date": date, "availableFrom": since, "availableTo": values["available_to"] or since}
    found = yield from _asked(
        credentials,
        lambda komet: komet.by_header(
            "ecommerce/customer-carriers.list", _of_customer(komet, values["location"]) | asked
        ),
    )
    return _table(found, "carriers")


def inventory(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    """List a page of what the web shop offers."""
    values = given.values
    asked = {"page": values["page"], "rows": values["rows"], "searchText": values["search"]}
    asked["availableDate"] = values["available_date"]
    sent = {name: str(value) for name, value in asked.items() if value}
    found = yield from _asked(
        credentials,
        lambda komet: komet.by_header("ecommerce/inventory.list", _of_customer(komet, values["location"]) | sent),
    )
    return _table(found, "")


def _asked(credentials: Credentials, build: Any) -> Flow[Body | Outcome]:
    """The body of one answer; "... not found." is one without rows."""
    try:
        komet = komet_requests(credentials)
        request: httpx.Request = build(komet)
        response = yield request
    except SetUpError as error:
        return Denied(str(error))
    except (NotSent, MaybeSent) as error:
        return Unavailable(str(error))
    answer = answer_of(response, komet.token)
    if not isinstance(answer, Refused):
        return answer
    if is_nothing(answer.message):
        return {}
    fault = as_fault(answer)
    return Rejected(answer.reason, answer.status) if isinstance(fault, Unavailable) else fault


def _of_customer(komet: KometRequests, location_id: str | None = None) -> dict[str, str]:
    location_id = location_id or komet.location_id
    return {"customerId": komet.customer_id} | ({"companyLocationId": location_id} if location_id else {})


def _table(found: Body | Outcome, name: str) -> Shown | Outcome:
    """The rows of the list; without a name those of the answer's only list."""
    if not isinstance(found, dict):
        return found
    lists: Mapping[str, Any] = {key: value for key, value in found.items() if isinstance(value, list)}
    rows: Sequence[Any] = lists.get(name) or (next(iter(lists.values()), []) if not name else [])
    shown = [row for row in rows if isinstance(row, dict)]
    columns = tuple(
        dict.fromkeys(key for row in shown for key, value in row.items() if not isinstance(value, dict | list))
    )
    return Shown(columns or ("nothing",), [tuple(_text(row.get(key)) for key in columns) for row in shown], found)


def _text(value: Any) -> str:
    return text_of(value) if not isinstance(value, dict | list) else "..."


_LOCATION: Final = Parameter(
    "location", "Id of a location of the seller's, if it has several (the first of LOCATION_IDS)."
)
_RANGE: Final = (
    _LOCATION,
    Parameter("date", f"Of the purchase. {DAY}", required=True),
    Parameter("available_from", f"From when the products are available (that date). {DAY}"),
    Parameter("available_to", f"Until when (the same day). {DAY}"),
)
_COST: Final = "It costs one of the requests of the day."

COMMANDS: Final = (
    VendorCommand(
        name="invoice-pdf",
        meaning="Write an invoice to standard output, as a PDF.",
        details=f"INVOICE is Komet's internal id (invoice-changed has it in its raw form). {_COST}",
        example="relay vendor komet invoice-pdf 900123 > invoice.pdf",
        side="any",
        takes="nothing",
        flow=invoice_pdf,
        parameters=(Parameter("invoice", is_argument=True, required=True),),
        noun="invoice",
    ),
    VendorCommand(
        name="customer",
        meaning="Show the customer: prices, credit, addresses.",
        details=f"Personal data is printed. {_COST}",
        example="relay vendor komet customer",
        side="any",
        takes="nothing",
        flow=customer,
        noun="customer",
    ),
    VendorCommand(
        name="ship-to",
        meaning="List the customer's ship-to addresses.",
        details=f"Their ids are what the attribute `shipToId` of an order takes. {_COST}",
        example="relay vendor komet ship-to --json",
        side="any",
        takes="nothing",
        flow=ship_to,
        noun="customer",
    ),
    VendorCommand(
        name="carriers",
        meaning="List the carriers for a purchase.",
        details=f"Their ids are what the attribute `carrierId` of an order takes. {_COST}",
        example="relay vendor komet carriers --date 2026-12-01",
        side="any",
        takes="nothing",
        flow=carriers,
        parameters=_RANGE,
        noun="date",
    ),
    VendorCommand(
        name="inventory",
        meaning="List a page of what the web shop offers.",
        details=f"Without options: the first 30 rows, from today on. {_COST}",
        example="relay vendor komet inventory --search rose --rows 100",
        side="any",
        takes="nothing",
        flow=inventory,
        parameters=(
            Parameter("page", "1, 2, ...", "count"),
            Parameter("rows", "Of a page.", "count"),
            Parameter("search", "A text that products hold."),
            Parameter("available_date", f"On which they are available. {DAY}"),
            _LOCATION,
        ),
        noun="search",
    ),
    QUOTA,
)
