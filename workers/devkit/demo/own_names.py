"""The demo on a Kafka that it did not start: topics, workers and groups of its own prefix, removed at its end.

No name is one that real workers use: nothing that lies in their topics is read, and none of their groups is joined.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from workers.app.config.settings import read_settings
from workers.app.config.specs import Config, SinkSpec, TopicSpec
from workers.app.config.yaml_document import read_document
from workers.devkit.demo.processes import DemoError
from workers.edges.avro.schema_files import history_folder
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.client import KafkaConnection, KafkaFailed

MOST_REPLICAS: Final = 3


@dataclass(frozen=True, slots=True)
class GivenKafka:
    """The user's Kafka, and the prefix of all that the demo makes there."""

    connection: KafkaConnection
    brokers: int
    prefix: str

    @property
    def address(self) -> str:
        return ",".join(self.connection.bootstrap)

    @property
    def variables(self) -> dict[str, str]:
        """For the demo's commands, with the user's own variables for Kafka."""
        return {"RELAY_REPLICATION_FACTOR": str(min(self.brokers, MOST_REPLICAS))}


def reach_given_kafka(environ: Mapping[str, str]) -> GivenKafka:
    """Ask the Kafka of KAFKA_BOOTSTRAP_SERVERS for its brokers; raises `DemoError` and `KafkaFailed`."""
    if not environ.get("KAFKA_BOOTSTRAP_SERVERS") and not environ.get("KAFKA_BOOTSTRAP_SERVERS_FILE"):
        raise DemoError("--on-this-kafka needs its address: set KAFKA_BOOTSTRAP_SERVERS")
    settings, faults = read_settings(environ)
    if faults:
        raise DemoError(str(faults[0]))
    with open_admin(settings.kafka) as admin:
        brokers = admin.broker_count()
    return GivenKafka(settings.kafka, max(1, brokers), f"relay-demo-{token_hex(3)}-")


def write_own_topology(config: Config, prefix: str, folder: Path) -> Path:
    """Write a topics.yaml in which every topic and worker has the prefix, and the schemas in the same folder."""
    data = read_document(config.file).data
    topics = {
        prefix + name: _topic(config.topics[name], block, prefix, folder) for name, block in data["topics"].items()
    }
    workers = {prefix + name: _worker(config, name, block, prefix) for name, block in data["workers"].items()}
    file = folder / "topics.yaml"
    file.write_text(json.dumps({**data, "topics": topics, "workers": workers}, indent=1))
    return file


def _topic(topic: TopicSpec, block: dict[str, Any], prefix: str, folder: Path) -> dict[str, Any]:
    if topic.schema_file is None:
        return block
    copy = folder / "schemas" / f"{prefix}{topic.name}.avsc"
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(topic.schema_file, copy)
    history = history_folder(topic.schema_file, topic.name)
    if history.is_dir():
        shutil.copytree(history, history_folder(copy, prefix + topic.name))
    return {**block, "schema": str(copy)}


def _worker(config: Config, name: str, block: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The worker's block with each topic that it names; those that it has by default are written out."""
    spec = config.workers[name]
    if isinstance(spec, SinkSpec):
        lists = {"consumes": spec.consumes}
        single = {"parks": spec.parks, "receipts": spec.receipts, "tracks": spec.tracks}
    else:
        lists = {"publishes": spec.publishes}
        single = {"state": spec.state, "follows": spec.follows}
    own: dict[str, Any] = {key: [prefix + topic for topic in names] for key, names in lists.items()}
    return {**block, **own, **{key: prefix + topic for key, topic in single.items() if topic is not None}}


def remove_own(given: GivenKafka, config: Config, report: Callable[[str], None]) -> None:
    """Delete the demo's topics and groups, and nothing else; says what is left when Kafka does not do it."""
    topics, workers = _own(config.topics, given.prefix), _own(config.workers, given.prefix)
    groups = [config.workers[name].group for name in workers]
    try:
        with open_admin(given.connection) as admin:
            for group in groups:  # a group goes only when its static members have gone
                for member in admin.group(group).members:
                    admin.remove_member(group, member)
            admin.delete_topics(topics)
            admin.delete_groups(groups)
    except KafkaFailed as error:
        report(f"topics and groups that begin with {given.prefix} are left at {given.address}: {error}")


def _own(names: Iterable[str], prefix: str) -> list[str]:
    return [name for name in names if name.startswith(prefix)]
