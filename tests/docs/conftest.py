"""A terminal before a real Kafka and simulated vendors."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tests.support.vendor import Vendor
from workers.devkit.broker.broker import Broker


@pytest.fixture
def terminal(tmp_path: Path, broker: Broker) -> Iterator[Terminal]:
    with ExitStack() as stack:
        ecdp, dcl = Vendor("ecdp"), Vendor("dcl")
        stack.callback(ecdp.stop)
        stack.callback(dcl.stop)
        opened = Terminal(tmp_path, broker, ecdp, dcl)
        yield opened
        for worker in opened.workers:
            assert worker.stop() == 0
