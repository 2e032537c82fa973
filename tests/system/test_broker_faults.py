"""Kafka itself restarts or hangs under load: the worker goes on by itself."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.devkit.broker.broker import Broker

pytestmark = [pytest.mark.broker, pytest.mark.slow]


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
    debris: None, own_broker: Broker, make_rig: MakeRig
) -> None:
    rig = make_rig(3, at=own_broker)
    relay = rig.start().joined()
    ids = order_ids(1500)
    with load(rig, ids):
        wait_for(lambda: len(rig.vendor.effects) > 100, "nothing was delivered")
        own_broker.pause()
        threading.Event().wait(5)  # the fault itself lasts so long
        own_broker.resume()
        seen = len(rig.vendor.effects)
        wait_for(lambda: len(rig.vendor.effects) > seen + 100 or len(rig.vendor.effects) == 4500, "it stayed stuck")
        own_broker.restart()
    relay.caught_up(90)
    rig.assert_never_back(times=1)
    rig.assert_no_status_before_its_create()
    rig.assert_each_has_one_end(story(ids, "placed", "paid"), repeats=relay.status()["unknown_total"])
    rig.assert_committed_to_the_end()
    assert relay.stop() == 0
