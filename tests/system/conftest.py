"""One broker for all; topics, worker, vendor and processes of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.support.relay_rig import Rig, fresh, open_rig

if TYPE_CHECKING:
    from workers.devkit.broker.broker import Broker

MakeRig: TypeAlias = Callable[..., Rig]


@pytest.fixture
def make_rig(broker: Broker, tmp_path: Path) -> Iterator[MakeRig]:
    """``make_rig(partitions=4, vendor="ecourier", DRAIN="1s")``: topics made, vendor listening, nothing started."""
    with ExitStack() as ends:

        def make(
            partitions: int = 3,
            *,
            at: Broker = broker,
            topics: bool = True,
            vendor: str = "ecdp",
            beside: str | None = None,
            **settings: str,
        ) -> Rig:
            from tests.support.kafka_side import KafkaSide  # noqa: PLC0415 - imports kafka: after pytest_configure

            other = KafkaSide(at.bootstrap, fresh("t"), partitions, beside) if beside else None
            kafka = KafkaSide(at.bootstrap, fresh("t"), partitions, vendor, other)
            for side in (other, kafka):
                if topics and side is not None:
                    ends.callback(side.close)
                    side.create_topics()
            return ends.enter_context(open_rig(kafka, tmp_path, **settings))

        yield make


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig()
