"""Parked orders for people: each is one row, whatever its id holds, and its reason can be read."""

from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import End, OrderResult
from workers.cli.output import escape_control
from workers.cli.parked_format import result_line, rows, totals
from workers.core.parked.fence import Fence, ParkReason

CURRENCY = Fence(ParkReason.INVALID, "currency: must have 3 characters, as ISO 4217 has them", 0, 1)
ORDERS = [ParkedOrder(0, f"SO-{number}", CURRENCY) for number in range(3)]
REFUSED = ParkedOrder(1, "A-1", Fence(ParkReason.REJECTED, "HTTP 400", 0, 2))


def test_control_characters_of_an_order_id_are_escaped() -> None:
    order = ParkedOrder(0, "A\x1b[2J\nB-\u03a9", Fence(ParkReason.INVALID, "no\r", 0, 1))
    *_, row = rows([order], None)
    for line in (row, escape_control(result_line(OrderResult(order, End.STAYS, order.fence), "parked again"))):
        assert line.isprintable()
        assert r"A\x1b[2J\x0aB-Ω" in line


def test_a_reason_is_wrapped_on_a_terminal_and_whole_elsewhere() -> None:
    terminal = list(rows(ORDERS[:1], 60))
    assert max(map(len, terminal)) <= 60
    assert " ".join(line[38:].strip() for line in terminal[1:]) == f"invalid: {CURRENCY.detail}"
    (_, whole) = rows(ORDERS[:1], None)
    assert whole.endswith(f"1970-01-01T00:00:00Z  invalid: {CURRENCY.detail}")


def test_totals_say_how_many_orders_share_a_reason() -> None:
    first, *reasons = totals([*ORDERS, REFUSED], "ecdp-sink")
    assert first == "4 orders with 5 records parked by ecdp-sink"
    assert [line.split() for line in reasons] == [
        f"3 x invalid: {CURRENCY.detail}".split(),
        ["1", "x", "rejected:", "HTTP", "400"],
    ]
