"""What people read of parked orders stays one line each, whatever an order id holds."""

from __future__ import annotations

import pytest

from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import End, Result
from workers.cli.output import fit
from workers.cli.parked_format import result_line, row
from workers.core.parked.fence import Fence, ParkReason


def test_an_order_id_moves_no_cursor_and_breaks_no_line() -> None:
    order = ParkedOrder(0, "A\x1b[2J\nB-\u03a9", Fence(ParkReason.INVALID, "no\r", 0, 1))
    for line in (row(order), result_line(Result(order, End.STAYS, order.fence), "parked again")):
        assert line.isprintable()
        assert r"A\x1b[2J\x0aB-Ω" in line


@pytest.mark.parametrize(("terminal", "shown"), [(True, "A-1  HTT…"), (False, "A-1  HTTP 400")])
def test_a_row_is_cut_at_the_terminals_edge_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", "9")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert fit("A-1  HTTP 400") == shown
