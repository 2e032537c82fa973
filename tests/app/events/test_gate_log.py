"""What is logged of a gate: that it shuts, each minute that it still is, another cause, and how long it was shut."""

from typing import Any

import pytest

from workers.app.events.gate_log import GateLog
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Throttled, Unavailable


class Rig:
    """A gate whose probes are answered as the test says, looked at each second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.gate = Gate(GatePolicy(unavailable_in_a_row=1))
        self.log = GateLog(self.gate, "ecdp-sink")

    def answer(self, outcome: Outcome, *, seconds: int = 0) -> None:
        """Answer each request so, for so many seconds."""
        for _ in range(max(1, seconds)):
            if self.gate.admits(self.now, 0) != 0:
                self.gate.report(outcome, self.now, 0.5)
            if self.log.has_changed(self.now):
                self.log.write(self.now, waiting=7)
            self.now += 1 if seconds else 0


def said(caplog: pytest.LogCaptureFixture, *names: str) -> list[tuple[Any, ...]]:
    return [
        (record.getMessage(), record.levelname, *(record.values[name] for name in names))  # type: ignore[attr-defined]
        for record in caplog.records
    ]


def test_a_shut_gate_is_logged_each_minute_and_its_end_with_how_long_it_was_shut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    rig = Rig()
    rig.answer(Unavailable("HTTP 500"), seconds=130)
    rig.answer(Delivered(), seconds=30)
    *shut, opened = said(caplog, "shut_s", "waiting")
    assert shut == [("gate_shut", "ERROR", seconds, 7) for seconds in (None, 60, 120)]
    action, level, shut_s, waiting = opened
    assert (action, level, waiting) == ("gate_opened", "INFO", 7)
    assert 130 <= shut_s <= 140, "a vendor that works again is found within ten seconds"


def test_another_cause_is_logged_when_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.answer(Unavailable("HTTP 500"), seconds=5)
    rig.answer(Unavailable("no answer within 30 s"), seconds=20)
    rig.answer(Denied("HTTP 401"), seconds=20)
    assert said(caplog, "reason", "detail") == [
        ("gate_shut", "ERROR", "unavailable", "HTTP 500"),
        ("gate_cause_changed", "ERROR", "unavailable", "no answer within 30 s"),
        ("gate_cause_changed", "ERROR", "denied", "HTTP 401"),
    ]


def test_a_vendor_that_asks_for_a_pause_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rig = Rig()
    rig.answer(Throttled(30))
    assert [(action, level) for action, level in said(caplog)] == [("gate_shut", "INFO")]
