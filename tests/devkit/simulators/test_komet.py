"""The simulated Komet: its books, and the knobs for what its pages leave open. Answers' form: cases/komet.yaml."""

from datetime import UTC, datetime
from typing import Any

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from workers.devkit.simulators.faults import QUIET, Faults
from workers.devkit.simulators.komet.ledger import KometLedger
from workers.devkit.simulators.komet.seller import CONFIRMED, DAY_MS, DRAFT, VOIDED, Seller
from workers.devkit.simulators.server import Received

NOON_MS = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp() * 1000)
STILL = QUIET.changed({"changes": 0})
WINDOW = "authenticationToken=t&orderDateFrom=2026-11-01&orderDateTo=2026-12-31"


class Clock:
    now_ms = NOON_MS

    def __call__(self) -> int:
        return self.now_ms


def komet() -> tuple[KometLedger, Clock]:
    clock = Clock()
    return KometLedger("t", Seller(clock)), clock


def ask(ledger: KometLedger, method: str, query: str, faults: Faults = STILL) -> dict[str, Any]:
    headers: CIMultiDict[str] = CIMultiDict({"authenticationToken": "t"})
    answer = ledger.answer(Received("GET", f"/api/{method}", CIMultiDictProxy(headers), b"", query), faults)
    body: dict[str, Any] = orjson.loads(answer.body)
    return body


def listed(ledger: KometLedger, more: str = "", faults: Faults = STILL) -> list[int]:
    return [row["number"] for row in ask(ledger, "invoice.list", WINDOW + more, faults).get("invoices", [])]


def test_updated_as_of_shows_what_changed_since_by_the_vendors_own_time() -> None:
    ledger, clock = komet()
    first, second = ledger.seller.open(), ledger.seller.open()
    clock.now_ms += 60_000
    ledger.seller.change(second, status=VOIDED)
    assert listed(ledger) == [first.number, second.number]
    assert listed(ledger, "&updatedAsOf=2026-11-28 12:00:30") == [second.number]
    assert listed(ledger, "&status=4&isEcommerce=true") == [second.number]


def test_a_late_change_appears_with_the_time_at_which_it_was_made() -> None:
    ledger, clock = komet()
    invoice = ledger.seller.open(status=DRAFT)
    ledger.seller.change(invoice, status=CONFIRMED, lag_ms=3_600_000)
    assert ask(ledger, "invoice.list", WINDOW)["invoices"][0]["status"] == DRAFT
    clock.now_ms += 3_600_000
    assert ask(ledger, "invoice.list", WINDOW)["invoices"][0]["updatedOn"] == "2026-11-28 12:00:00"
    assert listed(ledger, "&status=1") == [invoice.number]


def test_rows_have_no_sequence_with_the_knob() -> None:
    ledger, _ = komet()
    for _ in range(9):
        ledger.seller.open()
    readings = {tuple(listed(ledger, faults=STILL.changed({"sort": "unstable"}))) for _ in range(9)}
    assert len(readings) > 1
    assert len({tuple(sorted(one)) for one in readings}) == 1


def test_the_quota_is_of_a_day_and_each_request_counts() -> None:
    ledger, clock = komet()
    ledger.seller.open()
    limited = STILL.changed({"quota": 2})
    ledger.trouble(500)
    assert [len(listed(ledger, faults=limited)) for _ in range(2)] == [1, 0]
    assert ledger.stats()["requests_today"] == 3
    clock.now_ms += DAY_MS
    assert len(listed(ledger, faults=limited)) == 1
    assert ledger.stats()["requests_today"] == 1


def test_lines_are_cut_off_above_ten_thousand_boxes() -> None:
    ledger, _ = komet()
    for _ in range(3):
        ledger.seller.open(lines=[ledger.seller.line(boxes=4_000)])
    rows = ask(ledger, "invoice.details.list", WINDOW.replace("11-01", "11-30").replace("12-31", "12-02"))["invoices"]
    assert [len(row["details"][0]["boxes"]) for row in rows] == [4_000, 4_000]


def test_things_happen_between_requests_and_by_hand() -> None:
    ledger, clock = komet()
    ledger.seller.fill(4)
    busy = QUIET.changed({"changes": 2})
    listed(ledger, faults=busy)
    clock.now_ms += 10_000
    listed(ledger, faults=busy)
    assert len(ledger.log(0)) == 20
    number = next(one.number for one in ledger.seller.invoices.values() if one.is_web)
    ledger.move({"number": number, "status": VOIDED})
    assert ledger.orders()[str(number)]["stage"] == VOIDED
