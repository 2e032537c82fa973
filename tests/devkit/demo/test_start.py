"""The demo publishes no samples to a Kafka on another machine without --yes."""

import pytest

from workers.devkit.demo.processes import DemoError
from workers.devkit.demo.start import refuse_remote_kafka


@pytest.mark.parametrize("given", ["", "localhost:9092", "127.0.0.1:9092, localhost:9093", "[::1]:9092"])
def test_a_kafka_of_this_machine_is_used(given: str) -> None:
    refuse_remote_kafka(given)


@pytest.mark.parametrize("given", ["kafka:9092", "localhost:9092,kafka.example.com:9092", "10.0.0.1:9092"])
def test_a_kafka_of_another_machine_needs_yes(given: str) -> None:
    with pytest.raises(DemoError, match="--yes"):
        refuse_remote_kafka(given)
