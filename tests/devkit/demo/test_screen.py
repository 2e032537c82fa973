"""The demo shows a live table on a terminal, and plain lines elsewhere."""

import dataclasses
import io
import json

from rich.console import Console

from workers.devkit.demo.monitor import SinkView
from workers.devkit.demo.report import Check, Parked, Report, SinkReport
from workers.devkit.demo.screen import LiveScreen, PlainScreen, screen_for
from workers.devkit.demo.summary import print_summary

VIEW = SinkView(
    name="ecdp-sink",
    vendor="ecdp",
    delivered=2,
    skipped=0,
    parked=1,
    parked_orders=1,
    in_flight=3,
    lag=4,
    retries=5,
    duplicates=6,
    gate="shut",
    gate_reason="refused",
    at_vendor=7,
)
PARKED = Parked("SO-1[red]", "order-created", "invalid", "order.currency: 3 characters wanted")
WRONG = SinkReport(VIEW, "ecdp-parked", 8, 9, (PARKED,), (Check("orders at the vendor", 8, 7),))


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=80)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def test_a_pipe_gets_plain_lines_without_control_characters() -> None:
    piped = console(terminal=False)
    with screen_for(piped, 0.0) as screen:
        screen.step("a step")
        screen.show([VIEW], 1, 10, {"ecourier-poller": 12})
    assert isinstance(screen, PlainScreen)
    assert (
        text(piped)
        .splitlines()[1]
        .endswith(
            "published 1 of 10; ecdp-sink: 7 orders at ecdp, 2 records delivered, 1 parked, "
            "3 in flight, 4 waiting, gate shut; ecourier-poller: 12 events published"
        )
    )
    assert "\x1b" not in text(piped)


def test_a_terminal_gets_a_live_table() -> None:
    terminal = console(terminal=True)
    with screen_for(terminal, 0.0) as screen:
        screen.show([VIEW], 1, 10, {"ecourier-poller": 12})
    assert isinstance(screen, LiveScreen)
    assert "in flight" in text(terminal)
    assert "ecourier-poller: 12 events published" in text(terminal)


def test_the_summary_shows_differing_counts_and_parked_records() -> None:
    piped = console(terminal=False)
    print_summary(piped, Report((WRONG,), 6.5, 20.0))
    assert "It does not add up." in text(piped)
    assert "SO-1[red]" in text(piped)
    assert "order.currency" in text(piped)


def test_a_parked_order_is_shown_with_its_cause_not_with_behind() -> None:
    behind = dataclasses.replace(PARKED, reason="behind", detail="behind a parked record")
    piped = console(terminal=False)
    other = dataclasses.replace(behind, order_id="SO-2")
    sink = dataclasses.replace(WRONG, parked=(behind, PARKED, behind, other))
    print_summary(piped, Report((sink,), 6.5, 20.0))
    rows = [line.split()[:3] for line in text(piped).splitlines() if line.strip().startswith("SO-")]
    assert rows == [["SO-1[red]", "3", "invalid"], ["SO-2", "1", "behind"]]


def test_the_report_as_json_says_whether_it_is_right() -> None:
    report = Report((WRONG,), None, 20.0)
    assert json.loads(report.to_json())["right"] is False
    repaired = dataclasses.replace(WRONG, checks=(Check("orders at the vendor", 8, 8),))
    assert json.loads(Report((repaired,), 6.5, 20.0).to_json())["right"] is True


def test_a_report_without_a_sink_is_not_right() -> None:
    assert not Report((), None, 0.0).right
