"""A tracked order's row holds what its event said of its trace, in the value and in a header."""

from dataclasses import replace
from pathlib import Path

from workers.app.events.tracked_rows import decode_tracked, tracked_row
from workers.core.delivery.tracked_order import Tracked
from workers.core.record import BAGGAGE, TRACEPARENT, TRACESTATE, Partition
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load

TOPIC = "ecourier-tracked-orders"
CODEC = Codec(load(Path(__file__).parents[3] / "schemas"), lambda: 0.0)
TRACKED = Tracked("OR-1", "1", 1, "h", traceparent="00-trace", tracestate="shop=x1", baggage="tenant=7")


async def test_the_whole_context_is_written_and_read() -> None:
    row = tracked_row(CODEC, Partition(TOPIC, 0), TRACKED, 2)
    headers = dict(row.headers)
    assert (headers[TRACEPARENT], headers[TRACESTATE], headers[BAGGAGE]) == (b"00-trace", b"shop=x1", b"tenant=7")
    assert await decode_tracked(CODEC, TOPIC, row.value or b"", row.headers) == TRACKED


async def test_a_context_without_the_vendors_part_has_no_such_header() -> None:
    for tracked in (replace(TRACKED, tracestate=None), replace(TRACKED, traceparent=None)):
        row = tracked_row(CODEC, Partition(TOPIC, 0), tracked, 2)
        assert TRACESTATE not in dict(row.headers)


async def test_a_row_of_a_vendor_that_gives_the_numbers_has_the_order_id_as_its_key_and_says_how_far_it_has_come() -> (
    None
):
    unfinished = replace(TRACKED, order_number="", content_hash="", stage="begun")
    row = tracked_row(CODEC, Partition(TOPIC, 0), unfinished, 2, "order_id")
    assert row.key == b"1"
    assert await decode_tracked(CODEC, TOPIC, row.value or b"", row.headers) == unfinished
