"""A test's own topics: in a topics.yaml with their schemas beside it, on the cluster, and read whole."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import TopicPartition

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


def read_whole(reader: Any, topic: str, partitions: Iterable[int]) -> list[Any]:
    """Every record from the beginning to the present end, by partition and offset; closes the reader."""
    try:
        places = [TopicPartition(topic, number) for number in partitions]
        reader.assign(places)
        ends = reader.end_offsets(places)
        reader.seek_to_beginning(*places)
        found: list[Any] = []
        while any(reader.position(at) < end for at, end in ends.items()):
            for records in reader.poll(timeout_ms=200).values():
                found += records
        return sorted(found, key=lambda one: (one.partition, one.offset))
    finally:
        reader.close()
