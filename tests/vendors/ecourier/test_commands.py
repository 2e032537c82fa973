"""e-Courier's commands, with the page's own sample of a quote."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.vendors.ecourier.conftest import ACCOUNT, created_of, talk_of
from workers.core.delivery.outcome import Rejected, Skipped
from workers.vendors.commands import Given, Shown
from workers.vendors.ecourier.commands import COMMANDS
from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.wall_time import parse_wall_time

# The page's answer of QuoteOrder; its text ends within the pieces.
QUOTE: dict[str, Any] = {
    "CustomerID": "1900",
    "Service": "Route",
    "Caller": "ECAPI",
    "CallerPhone": "7708802337",
    "Notes": "Test Order Notes.",
    "CallerEmail": "email@e-courier.com",
    "TaskID": "1",
    "CompleteOrder": "1",
    "Description": "Order Description",
    "ReadyDateTime": "12/05/2020 09:00",
    "DueDateTime": "12/05/20 11:00",
    "AmountCharged": "$40.00",
    "DriverCode": "",
    "Pieces": {"Piece": {"Sequence": "1", "Reference": "test1234barcode", "Pieces": "1"}},
}


def quoted(answer: httpx.Response, **given: Any) -> Any:
    [command] = COMMANDS
    event = created_of(**given)
    return talk_of(command.flow(EcourierOptions(), ACCOUNT, Given("A-1", event)), answer)[1]


def test_the_pages_quote_is_shown_field_by_field_with_the_price_first() -> None:
    shown = quoted(httpx.Response(200, json={"Order": QUOTE}))
    assert isinstance(shown, Shown)
    texts = {name: value for name, value in QUOTE.items() if isinstance(value, str) and value}
    pieces = {f"Pieces.Piece.{name}": value for name, value in QUOTE["Pieces"]["Piece"].items()}
    assert {row[0]: row[1] for row in shown.rows} == texts | pieces
    assert shown.rows[0] == ("AmountCharged", "$40.00")
    assert shown.document == QUOTE
    assert next(iter(shown.document)) == "AmountCharged"
    assert all(parse_wall_time(QUOTE[name]) for name in ("ReadyDateTime", "DueDateTime"))


@pytest.mark.parametrize(
    ("given", "answer", "kind"),
    [
        ({}, httpx.Response(500, json={"status": "-4", "statusdescription": "no such Service"}), Rejected),
        ({"stops": []}, None, Rejected),
        ({"bare": True}, None, Skipped),
    ],
    ids=range(3),
)
def test_an_order_that_is_not_quoted_says_why(given: dict[str, Any], answer: Any, kind: type) -> None:
    [command] = COMMANDS
    flow = command.flow(EcourierOptions(), ACCOUNT, Given("A-1", created_of(**given)))
    assert isinstance(talk_of(flow, *([answer] if answer else []))[1], kind)
