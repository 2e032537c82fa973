"""`relay order` on a terminal of 80 columns."""

from typing import Any, cast

from workers.app.inspect.order_timeline import Timeline, TimelineEntry
from workers.cli.order_format import order_lines
from workers.core.parked.fence import Fence, ParkReason
from workers.core.record import Partition

AT = Partition("order-created", 10)
DAY_MS = 86_400_000


def lines(*entries: TimelineEntry) -> list[str]:
    timeline = Timeline("A-1", cast("Any", None), cast("Any", None), lambda *_: None)
    timeline.entries = list(entries)
    timeline.parked = {"ecdp-sink": Fence(ParkReason.REJECTED, "no", 0, 2)}
    return list(order_lines(timeline, "ECDP: delivered 22:58:21; nothing parked", 80))


def test_the_verdict_comes_first_and_each_day_is_named_once() -> None:
    found = lines(
        TimelineEntry(1_000, "order published", "publisher", AT, 21, "0591d14a"),
        TimelineEntry(2_000, "delivered, HTTP 201", "ecdp-sink", AT, 21, "0591d14a"),
        TimelineEntry(DAY_MS, "status paid published", "publisher", AT, 22),
    )
    assert found == [
        "ECDP: delivered 22:58:21; nothing parked",
        "",
        "1970-01-01 UTC",
        "00:00:01.000  publisher  order published  order-created/10@21",
        "00:00:02.000  ecdp-sink  delivered, HTTP 201  order-created/10@21",
        "1970-01-02 UTC",
        "00:00:00.000  publisher  status paid published  order-created/10@22",
        "2 records parked: relay parked show --sink ecdp-sink A-1",
        "trace 0591d14a",
    ]


def test_no_line_is_wider_than_the_terminal_and_nothing_is_executed_by_it() -> None:
    long = TimelineEntry(
        1_000, "parked: rejected: " + "\x1b[31m word" * 30 + "x" * 200, "a-very-long-sink-name-" * 3, AT, 1
    )
    found = lines(long)
    assert max(map(len, found)) <= 80
    assert "\x1b" not in "".join(found)


def test_a_trace_is_shown_with_its_address_whole() -> None:
    timeline = Timeline("A-1", cast("Any", None), cast("Any", None), lambda *_: None)
    timeline.entries = [TimelineEntry(1_000, "order published", "publisher", AT, 21, "0591d14a")]
    found = timeline.trace_addresses("https://traces.example/" + "x" * 80 + "/{trace_id}?view=1")
    assert list(order_lines(timeline, "ok", 80, found))[-1].endswith("x/0591d14a?view=1")
    assert timeline.trace_addresses(None) == {}
