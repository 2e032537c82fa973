"""Each parked order is one line, whatever its id holds."""

import pytest

from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import End, OrderResult
from workers.cli.output import truncate
from workers.cli.parked_format import result_line, row
from workers.core.parked.fence import Fence, ParkReason


def test_control_characters_of_an_order_id_are_escaped() -> None:
    order = ParkedOrder(0, "A\x1b[2J\nB-\u03a9", Fence(ParkReason.INVALID, "no\r", 0, 1))
    for line in (row(order), result_line(OrderResult(order, End.STAYS, order.fence), "parked again")):
        assert line.isprintable()
        assert r"A\x1b[2J\x0aB-Ω" in line


@pytest.mark.parametrize(("terminal", "shown"), [(True, "A-1  HTT…"), (False, "A-1  HTTP 400")])
def test_a_row_is_truncated_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: str) -> None:
    monkeypatch.setenv("COLUMNS", "9")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert truncate("A-1  HTTP 400") == shown
