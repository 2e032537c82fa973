"""On a Kafka that the demo did not start, everything that it makes has its own prefix."""

from pathlib import Path

import pytest

from workers.app.config.configuration import load_configuration
from workers.devkit.demo.own_names import reach_given_kafka, write_own_topology
from workers.devkit.demo.processes import DemoError
from workers.devkit.demo.samples import CREATED, STATUS, read_samples

ROOT = Path(__file__).parents[3]
PREFIX = "relay-demo-abc-"


def test_every_topic_group_and_transactional_id_has_the_prefix(tmp_path: Path) -> None:
    real = load_configuration({"RELAY_TOPOLOGY": str(ROOT / "topics.yaml")}).config
    file = write_own_topology(real, PREFIX, tmp_path)
    own = load_configuration({"RELAY_TOPOLOGY": str(file)}).config
    assert own.topics.keys() == {PREFIX + name for name in real.topics}
    assert own.workers.keys() == {PREFIX + name for name in real.workers}
    named = {topic for sink in own.sinks.values() for topic in (*sink.consumes, *sink.written_topics)}
    named |= {topic for poller in own.pollers.values() for topic in (*poller.publishes, *poller.topics)}
    ids = {spec.transactional_id("0").removeprefix("relay.") for spec in own.sinks.values()}
    ids |= {spec.transactional_id(0) for spec in own.pollers.values()}
    assert {name for name in named | ids if not name.startswith(PREFIX)} == set()
    assert named <= own.topics.keys()


def test_samples_go_to_topics_of_the_prefix() -> None:
    assert {sample.topic for sample in read_samples(prefix=PREFIX)} == {PREFIX + CREATED, PREFIX + STATUS}


def test_the_users_kafka_needs_an_address() -> None:
    with pytest.raises(DemoError, match="set KAFKA_BOOTSTRAP_SERVERS"):
        reach_given_kafka({})
