"""Partitions that stop together are one line of the log."""

import pytest

from workers.app.events.stop_log import TOGETHER_WITHIN_S, StopLog
from workers.core.record import Partition


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["values"]["detail"] for record in caplog.records]


def test_partitions_of_a_topic_that_stop_for_one_reason_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    log = StopLog("ecdp-sink")
    for number in (1, 0, 2):
        log.stopped(Partition("order-created", number), "expired", 10.0 + number / 10)
    log.stopped(Partition("order-status", 7), "expired", 10.0)
    log.write_due(10.0)
    assert said(caplog) == [], "others may follow"
    log.write_due(10.1 + TOGETHER_WITHIN_S)
    advice = "decide with 'relay offsets ecdp-sink --to ...'"
    assert said(caplog) == [
        f"3 partitions of order-created (0-2) stopped: expired; {advice}",
        f"order-status/7 stopped: expired; {advice}",
    ]
    log.write_due(99.0)
    assert len(caplog.records) == 2, "it is said once"
