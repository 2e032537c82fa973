"""A log line about an order leads to its trace."""

from tests.support.traces import SPAN, TRACE, Recorded, publisher
from workers.app.events.log_context import about, about_order
from workers.core.consume.lanes import Entry
from workers.core.consume.ledger import Ledger
from workers.core.record import Headers, Record


def entry(headers: Headers) -> Entry:
    record = Record("order-created", 3, 7, 0, b"A-1", b"", headers)
    return Entry(record, "A-1", creates_order=True, ledger=Ledger(0), size=1)


def test_a_line_shows_the_records_span_or_else_its_publishers() -> None:
    one = entry(publisher())
    assert about(one) == {"order_id": "A-1", "trace_id": TRACE, "span_id": SPAN}
    one.span = Recorded().worker.process(one.record)
    recorded = about(one)
    assert (recorded["trace_id"], recorded["span_id"] != SPAN) == (TRACE, True)
    assert about_order("A-1", one.record) == {"order_id": "A-1", "trace_id": TRACE, "span_id": SPAN}


def test_a_line_about_an_order_without_a_trace_names_the_order_alone() -> None:
    assert about(entry(())) == about_order("A-1") == {"order_id": "A-1"}
