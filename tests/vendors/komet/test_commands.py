"""Komet's commands: what each asks for, and what it shows of the answer."""

from typing import Any

import httpx
import pytest

from tests.support.komet_shop import ACCOUNT, TOKEN, Shop
from workers.core.delivery.outcome import Outcome, Rejected, Throttled
from workers.vendors.commands import Given, Shown
from workers.vendors.komet.commands import COMMANDS, pdf_of

BY_NAME = {command.name: command for command in COMMANDS}
RANGE = {"date": "2026-12-01", "available_from": "2026-12-02", "available_to": "2026-12-05"}


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    made.ledger.seller.fill(1)
    return made


def run(shop: Shop, name: str, answer: httpx.Response | None = None, **values: Any) -> Shown | Outcome:
    command = BY_NAME[name]
    given = {one.name: values.get(one.name) for one in command.parameters}
    flow = command.flow(None, ACCOUNT, Given(values=given))
    try:
        request = next(flow)
        flow.send(answer or shop.answer(request))
    except StopIteration as stop:
        found: Shown | Outcome = stop.value
        return found
    pytest.fail("one request is enough")


def test_an_invoice_is_the_pdf_itself_from_its_beginning_on(shop: Shop) -> None:
    [number] = shop.ledger.seller.invoices
    shown = run(shop, "invoice-pdf", invoice=str(number))
    assert isinstance(shown, Shown)
    assert shown.content is not None
    assert shown.content.startswith(b"%PDF-1.4")
    assert "\u00e9\u00ff".encode("latin-1") in shown.content, "signed bytes"
    assert isinstance(run(shop, "invoice-pdf", invoice="x"), Rejected)


@pytest.mark.parametrize("file", [None, "", "0, 1", "37, 80, 68", "37 80 68 70", "999, 37, 80, 68, 70"])
def test_what_holds_no_pdf_is_none(file: Any) -> None:
    assert pdf_of(file) is None


@pytest.mark.parametrize(
    ("name", "values", "row"),
    [
        ("customer", {}, ("name", "Sample Florist")),
        ("ship-to", {}, ("31", "SHOP", "Sample Florist", "Orlando", "9")),
        ("carriers", RANGE, ("9", "Sample Trucking")),
        ("inventory", {"rows": 2, "page": 2}, ("7002", "3", "Carnation Red Fancy")),
    ],
)
def test_a_read_is_a_table_and_the_whole_answer_as_json(
    shop: Shop, name: str, values: dict[str, Any], row: tuple[str, ...]
) -> None:
    shown = run(shop, name, **values)
    assert isinstance(shown, Shown)
    assert row in [each[: len(row)] for each in shown.rows]
    assert TOKEN not in repr(shown)


@pytest.mark.parametrize(("name", "values"), [("carriers", RANGE), ("inventory", {})])
def test_a_read_of_the_web_shop_is_of_the_location_that_the_operator_names(name: str, values: dict[str, Any]) -> None:
    given = {one.name: (values | {"location": "5"}).get(one.name) for one in BY_NAME[name].parameters}
    request = next(BY_NAME[name].flow(None, {**ACCOUNT, "LOCATION_IDS": "3,5"}, Given(values=given)))
    assert request.url.params["companyLocationId"] == "5"


def test_a_list_without_rows_is_an_empty_table_and_a_refusal_is_komets_own_words(shop: Shop) -> None:
    none = httpx.Response(200, json={"status": 0, "message": "Customers not found."})
    empty = run(shop, "ship-to", none)
    assert isinstance(empty, Shown)
    assert empty.rows == []
    refused = run(shop, "carriers", httpx.Response(200, json={"status": 0, "message": "date is in the past"}), **RANGE)
    assert isinstance(refused, Rejected)
    assert "date is in the past" in refused.detail
    assert isinstance(run(shop, "customer", httpx.Response(429)), Throttled)
