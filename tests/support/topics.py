"""A test's own topics: in a topics.yaml with their schemas beside it, on the cluster, and read whole."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic
from workers.edges.kafka.client_patches.install import patch_client

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Topic:
    """One of them."""

    partitions: int
    config: Mapping[str, Any]
    schema: str | None = None  # among those of the repository


def write_config(folder: Path, topics: Mapping[str, Topic], workers: Mapping[str, Any]) -> Path:
    """Write topics.yaml (as JSON, which is YAML too) and the schemas beside it."""
    file = folder / "topics.yaml"
    (folder / "schemas").mkdir(exist_ok=True)
    for name, topic in topics.items():
        if topic.schema is not None:
            shutil.copy(ROOT / f"schemas/{topic.schema}.avsc", folder / f"schemas/{name}.avsc")
    blocks = {name: _block(name, topic) for name, topic in topics.items()}
    file.write_text(json.dumps({"version": 1, "topics": blocks, "workers": workers}))
    return file


def _block(name: str, topic: Topic) -> dict[str, Any]:
    block = {"partitions": topic.partitions, "replication_factor": 1, "config": topic.config}
    return block if topic.schema is None else block | {"schema": f"schemas/{name}.avsc"}


def create(admin: Any, topics: Mapping[str, Topic]) -> None:
    """Create them and wait until they can be used."""
    made = {
        name: {"num_partitions": topic.partitions, "replication_factor": 1, "configs": topic.config}
        for name, topic in topics.items()
    }
    admin.create_topics(made)
    admin.wait_for_topics(list(made))


def codec_of(schemas: Mapping[str, str]) -> Codec:
    """Of these topics (topic -> its schema among those of the repository)."""
    topics = {topic: load_topic(topic, ROOT / f"schemas/{schema}.avsc") for topic, schema in schemas.items()}
    return Codec(topics, time.monotonic)


class Reader:
    """Sees the committed records of any topic. It stays open, and each look reads on from where the last one ended."""

    def __init__(self, bootstrap: str) -> None:
        patch_client()  # what is read here may have header keys that are no UTF-8
        options = {"enable_auto_commit": False, "isolation_level": "read_committed", "auto_offset_reset": "earliest"}
        self.consumer = KafkaConsumer(bootstrap_servers=bootstrap, **options)
        self._seen: dict[str, list[Any]] = {}
        self._next: dict[TopicPartition, int] = {}

    def all(self, topic: str, partitions: int) -> list[Any]:
        """Every record so far, by partition and offset."""
        places, seen = [TopicPartition(topic, number) for number in range(partitions)], self._seen.setdefault(topic, [])
        self.consumer.assign(places)
        ends = self.consumer.end_offsets(places)
        for at, oldest in self.consumer.beginning_offsets(places).items():
            self.consumer.seek(at, max(oldest, self._next.get(at, 0)))
        while any(self.consumer.position(at) < end for at, end in ends.items()):
            for records in self.consumer.poll(timeout_ms=200).values():
                seen += records
        self._next |= {at: self.consumer.position(at) for at in places}
        return sorted(seen, key=lambda one: (one.partition, one.offset))

    def close(self) -> None:
        self.consumer.close()
