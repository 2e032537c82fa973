"""One broker for all; topics, workers, vendor and processes of each test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.kafka_side import KafkaSide
from tests.support.poller_process import DclRig, EcourierRig, open_dcl_rig, open_ecourier_rig
from tests.support.sink_process import Rig, fresh, open_rig
from workers.devkit.broker.broker import Broker

MakeRig: TypeAlias = Callable[..., Rig]
MakeDcl: TypeAlias = Callable[..., DclRig]
MakeEcourier: TypeAlias = Callable[..., EcourierRig]


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make_rig(broker: Broker, tmp_path: Path, ends: ExitStack) -> MakeRig:
    """``make_rig(partitions=4, vendor="ecourier", DRAIN="1s")``: topics made, vendor listening, nothing started."""

    def make(
        partitions: int = 3,
        *,
        at: Broker = broker,
        topics: bool = True,
        vendor: str = "ecdp",
        beside: str | None = None,
        **settings: str,
    ) -> Rig:
        other = KafkaSide(at.bootstrap, fresh("t"), partitions, beside) if beside else None
        kafka = KafkaSide(at.bootstrap, fresh("t"), partitions, vendor, other)
        for side in (other, kafka):
            if topics and side is not None:
                ends.callback(side.close)
                side.create_topics()
        folder = tmp_path / fresh("rig")  # a second rig of a test must not read the first one's logs
        folder.mkdir()
        return ends.enter_context(open_rig(kafka, folder, **settings))

    return make


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig()


@pytest.fixture
def make_dcl(broker: Broker, tmp_path: Path, ends: ExitStack) -> MakeDcl:
    """``make_dcl(shards=2, latency=0.1, keys={"every": "1s"})``: as `make_rig`, with a DCL poller."""

    def make(*, at: Broker = broker, **knobs: Any) -> DclRig:
        return ends.enter_context(open_dcl_rig(at.bootstrap, tmp_path, **knobs))

    return make


@pytest.fixture
def make_ecourier(broker: Broker, tmp_path: Path, ends: ExitStack) -> MakeEcourier:
    """``make_ecourier(partitions=4, grace="1s")``: as `make_rig`, with an e-Courier sink and its poller."""

    def make(partitions: int = 3, **keys: Any) -> EcourierRig:
        return ends.enter_context(open_ecourier_rig(broker.bootstrap, tmp_path, partitions, **keys))

    return make
