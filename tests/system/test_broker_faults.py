"""Kafka itself restarts or hangs under load: the worker goes on by itself."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.relay_process import HTTP, at_least
from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeDcl, MakeRig
from workers.devkit.broker.broker import Broker

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def failing_broker() -> Iterator[Broker]:
    """One for these tests, each of which leaves it running."""
    with Broker.start() as running:
        yield running


@pytest.fixture
def debris() -> Iterator[None]:
    """kafka-python leaves the sockets of refused connections to the garbage collector: here, not in another test."""
    yield
    gc.collect()


@contextmanager
def load(rig: Rig, ids: list[str]) -> Iterator[None]:
    """Publish these in the background, a hundred a second at most; ends with the last acknowledged."""
    failed: list[BaseException] = []

    def publish() -> None:
        try:
            for start in range(0, len(ids), 10):
                rig.kafka.publish(ids[start : start + 10], "placed", "paid")
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            failed.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    thread.join(90)
    assert not failed, failed
    assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_record_is_lost_when_the_broker_hangs_and_restarts(
    debris: None, failing_broker: Broker, make_rig: MakeRig
) -> None:
    rig = make_rig(3, at=failing_broker)
    relay = rig.start().joined()
    ids = order_ids(600)
    with load(rig, ids):
        wait_for(lambda: len(rig.vendor.effects) > 100, "nothing was delivered")
        failing_broker.pause()
        threading.Event().wait(5)  # the fault itself lasts so long
        failing_broker.resume()
        seen = len(rig.vendor.effects)
        wait_for(
            lambda: len(rig.vendor.effects) > seen + 100 or len(rig.vendor.effects) == 3 * len(ids), "it stayed stuck"
        )
        failing_broker.restart()
    relay.caught_up(90)
    rig.assert_never_back(times=1)
    rig.assert_no_status_before_its_create()
    rig.assert_each_has_one_end(story(ids, "placed", "paid"), repeats=relay.status()["unknown_total"])
    rig.assert_committed_to_the_end()
    assert relay.stop() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_outage_of_kafka_is_seen_in_status_metrics_and_two_log_lines(
    debris: None, failing_broker: Broker, make_rig: MakeRig
) -> None:
    rig = make_rig(3, at=failing_broker)
    relay = rig.start().joined()
    relay.wait(lambda status: status["kafka"]["state"] == "up" and status["lag_known"], "the ends are not known")
    failing_broker.kill()
    status = relay.wait(lambda status: status["kafka"]["state"] == "down", "nothing is seen of the outage", 15)
    assert (status["kafka"]["detail"], status["state"]) == ("connection refused", "running")
    relay.wait(lambda status: not status["lag_known"], "a lag by an old end is shown as known", 15)
    text = HTTP.get(f"{relay.url}/metrics").text
    assert f'relay_kafka_up{{worker="{rig.worker}"}} 0.0' in text
    assert "relay_lag_records{" not in text
    assert [HTTP.get(f"{relay.url}/{probe}").status_code for probe in ("livez", "readyz")] == [200, 200]
    failing_broker.restart()
    relay.wait(lambda status: status["kafka"]["state"] == "up" and status["lag_known"], "it is not seen again", 60)
    (lost,), (found,) = relay.said("kafka_unreachable"), relay.said("kafka_reachable")
    assert "connection refused" in lost["detail"]
    assert found["after_s"] > 0
    alarming = [line["action"] for line in relay.log if line["level"] in {"warning", "error"}]
    assert alarming == ["kafka_unreachable"], "one line says it, not one a request"
    rig.kafka.publish(order_ids(10), "paid")
    relay.caught_up(60)
    assert relay.stop() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_ends_in_an_outage_of_kafka_and_says_of_its_last_commits_once_that_they_fail(
    debris: None, failing_broker: Broker, make_rig: MakeRig
) -> None:
    rig = make_rig(3, at=failing_broker, DRAIN="2s")
    rig.vendor.faults(latency=0.2)
    relay = rig.start().joined()
    rig.kafka.publish(order_ids(100), "placed")
    relay.wait(at_least("delivered_total", 10), "nothing was delivered")
    failing_broker.kill()
    relay.term()
    assert relay.ended(2 + 5) == 0
    assert len(relay.said("release_commit_failed")) <= 3
    failing_broker.restart()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_poller_keeps_what_it_has_loaded_through_an_outage_of_kafka(
    debris: None, failing_broker: Broker, make_dcl: MakeDcl
) -> None:
    """What changes meanwhile is published afterwards, once."""
    rig = make_dcl(at=failing_broker)
    rig.dcl.happen(30)
    relay = rig.start().joined()
    rig.wait_for_all()
    loads = len(relay.said("shard_loaded"))
    failing_broker.kill()
    relay.wait(lambda status: status["kafka"]["state"] == "down", "nothing is seen of the outage", 20)
    rig.dcl.happen(30)
    relay.wait(lambda status: status["last_error"], "no write has failed", 40)
    assert all(shard["loaded"] for shard in relay.status()["shards"])
    failing_broker.restart()
    rig.wait_for_all()
    status = relay.wait(lambda status: not status["last_error"], "it works again, and shows an error")
    assert (status["taken_over_total"], relay.said("shard_restarts")) == (0, [])
    assert all(line["kept"] for line in relay.said("shard_loaded")[loads:])
    assert relay.stop() == 0
