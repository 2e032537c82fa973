"""The demo keeps its samples away from a Kafka that others may use."""

from __future__ import annotations

import pytest

from workers.devkit.demo.parts import DemoError
from workers.devkit.demo.start import refuse_foreign


@pytest.mark.parametrize("given", ["", "localhost:9092", "127.0.0.1:9092, localhost:9093", "[::1]:9092"])
def test_a_kafka_of_this_machine_is_used(given: str) -> None:
    refuse_foreign(given)


@pytest.mark.parametrize("given", ["kafka:9092", "localhost:9092,kafka.example.com:9092", "10.0.0.1:9092"])
def test_any_other_needs_a_yes(given: str) -> None:
    with pytest.raises(DemoError, match="--yes"):
        refuse_foreign(given)
