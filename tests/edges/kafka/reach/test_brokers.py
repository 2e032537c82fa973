"""Brokers that answer, fail and are silent: the state, since when, and one log line each way."""

from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from workers.edges.kafka.reach.brokers import Brokers, BrokersState
from workers.edges.kafka.reach.causes import Cause

START_MS = 1_770_000_000_000
REFUSED = KafkaConnectionError("111 ECONNREFUSED")


class Rig:
    """Brokers on a clock that the test sets, looked at twice a second."""

    def __init__(self) -> None:
        self.now = 100.0
        self.brokers = Brokers("one:1,two:2", clock=lambda: self.now, wall_ms=self._wall_ms)

    def _wall_ms(self) -> int:
        return START_MS + round((self.now - 100.0) * 1000)

    def wait(self, seconds: float, *, answered_every_s: float | None = None) -> None:
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            if answered_every_s is not None and self.now % answered_every_s == 0:
                self.brokers.answered()
            self.brokers.look()

    @property
    def shown(self) -> tuple[str, float, str | None]:
        """State, since how many seconds after the start, detail."""
        return self.brokers.state.value, (self.brokers.since_ms - START_MS) / 1000, self.brokers.detail


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.brokers.answered()
    made.brokers.look()
    return made


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    return [(record.getMessage(), record.values) for record in caplog.records]  # type: ignore[attr-defined]


def test_an_outage_is_two_lines_with_its_cause_and_its_length(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rig.wait(60, answered_every_s=4)
    assert rig.shown == ("up", 0, None)
    for _ in range(100):
        rig.brokers.failed(REFUSED)
        rig.wait(1)
    assert rig.shown == ("down", 60, "connection refused")
    rig.brokers.answered()
    rig.wait(0.5)
    assert rig.shown == ("up", 160.5, None)
    (lost, lost_values), (found, found_values) = lines(caplog)
    assert (lost, found) == ("kafka_unreachable", "kafka_reachable")
    assert lost_values["detail"] == "connection refused; check that it runs, and KAFKA_BOOTSTRAP_SERVERS"
    assert (lost_values["silent_s"], found_values["after_s"]) == (4, 100.5)


def test_brokers_that_hang_are_down_after_eight_seconds_without_an_answer(rig: Rig) -> None:
    rig.wait(7.5)
    assert rig.shown == ("up", 0, None)
    rig.wait(0.5)
    assert rig.shown == ("down", 0, "no answer")


def test_one_broker_of_several_that_fails_is_no_outage(rig: Rig) -> None:
    for _ in range(60):
        rig.brokers.failed(REFUSED)
        rig.wait(1, answered_every_s=2)
    assert rig.brokers.state is BrokersState.UP


def test_a_process_that_was_stopped_itself_blames_no_broker(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.now += 600
    rig.wait(1)
    assert rig.brokers.state is BrokersState.UP
    assert not caplog.records


def test_brokers_that_have_never_answered_are_connecting_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rig = Rig()
    for _ in range(30):
        rig.brokers.waits("one:1,two:2", Cause("name not found", "check KAFKA_BOOTSTRAP_SERVERS"))
        rig.wait(1)
    assert rig.shown == ("connecting", 0, "name not found")
    rig.brokers.answered()
    rig.wait(1)
    (lost, values), (found, _) = lines(caplog)
    assert (lost, found, rig.shown[0]) == ("kafka_unreachable", "kafka_reachable", "up")
    assert values["silent_s"] < 10


def test_silence_before_the_first_question_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that waits for its registry asks no broker yet."""
    rig = Rig()
    rig.wait(60)
    assert rig.shown == ("connecting", 0, "no answer")
    assert not caplog.records
