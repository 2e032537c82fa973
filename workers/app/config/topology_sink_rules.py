"""What must hold between the blocks of topics.yaml for no order to be lost or overtaken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from workers.app.config.errors import Fault, did_you_mean
from workers.app.config.topology import KIB, SinkSpec, TopicSpec
from workers.app.config.topology_yaml import Document
from workers.edges.avro.schema_files import load_topic
from workers.edges.avro.schema_tree import SchemaError

WORKER_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
DEFAULT_MESSAGE_BYTES = 1_048_588  # Kafka's own max.message.bytes
HEADERS_ROOM = 64 * KIB  # what a parked record's headers may add


def cross_faults(document: Document, topics: Mapping[str, TopicSpec], sinks: Mapping[str, SinkSpec]) -> Iterator[Fault]:
    """Each broken rule between topics and workers, at the key to change."""
    for topic in topics.values():
        yield from _topic_faults(document, topic)
    for sink in sinks.values():
        yield from _sink_faults(document, sink)
        yield from _reference_faults(document, sink, document.data.get("topics"))
        yield from _partition_faults(document, sink, topics)
        yield from _source_faults(document, sink, topics)
        yield from _parked_faults(document, sink, topics)
    yield from _shared_faults(document, sinks)


def _topic_faults(document: Document, topic: TopicSpec) -> Iterator[Fault]:
    if topic.schema_file is not None:
        yield from _schema_faults(document, topic.name, topic.schema_file)
    insync = topic.config.get("min.insync.replicas", "1")
    if not insync.isdecimal() or not 1 <= int(insync) <= topic.replication_factor:
        message = f"1 to {topic.replication_factor} is wanted (the replication factor), else nothing can be written"
        yield Fault(document.place(("topics", topic.name, "config", "min.insync.replicas")), message)


def _schema_faults(document: Document, topic: str, file: Path) -> Iterator[Fault]:
    place = document.place(("topics", topic, "schema"))
    if not file.is_file():
        yield Fault(place, f"no such file: {file}")
        return
    try:
        load_topic(topic, file)
    except SchemaError as error:
        yield Fault(place, str(error))


def _sink_faults(document: Document, sink: SinkSpec) -> Iterator[Fault]:
    keys = ("workers", sink.name)
    if not WORKER_NAME.fullmatch(sink.name):
        yield Fault(document.place(keys), "a worker's name is small letters and digits, with '-' between: ecdp-sink")
    if sink.retry.first > sink.retry.max:
        yield Fault(document.place((*keys, "retry", "first")), "retry.first: not more than retry.max is wanted")
    for name, value in (("max_in_flight", sink.max_in_flight), ("batch.max_orders", sink.batch.max_orders)):
        if value > sink.max_unfinished:
            message = f"{name}: not more than max_unfinished is wanted; it could never be reached"
            yield Fault(document.place((*keys, *name.split("."))), message)
    if len(set(sink.consumes)) < len(sink.consumes):
        yield Fault(document.place((*keys, "consumes")), "consumes: each topic once is wanted")
    if {sink.parks, sink.parked_state} & set(sink.consumes):
        yield Fault(document.place((*keys, "parks")), "parks: a topic that the worker does not consume is wanted")


def _reference_faults(document: Document, sink: SinkSpec, declared: object) -> Iterator[Fault]:
    names = list(declared) if isinstance(declared, dict) else []
    for i, name in enumerate(sink.consumes):
        if name not in names:
            message = f"no topic '{name}' under topics{did_you_mean(name, names)}"
            yield Fault(document.place(("workers", sink.name, "consumes", i)), message)
    for name in own_topics(sink):
        if name not in names:
            key = "tracks" if name == sink.tracks else "parks"
            message = f"{key}: no topic '{name}' under topics; add it, with the partitions of the consumed ones"
            yield Fault(document.place(("workers", sink.name, key)), message)


def own_topics(sink: SinkSpec) -> tuple[str, ...]:
    """What the sink writes, beside the vendor."""
    return (sink.parks, sink.parked_state, *([sink.tracks] if sink.tracks else []))


def _partition_faults(document: Document, sink: SinkSpec, topics: Mapping[str, TopicSpec]) -> Iterator[Fault]:
    """One process must own an order's partition number in all of a sink's topics, or its sequence is lost."""
    ours = [topics[name] for name in (*sink.consumes, *own_topics(sink)) if name in topics]
    for topic in ours[1:]:
        if topic.partitions != ours[0].partitions:
            message = (
                f"{ours[0].partitions} is wanted, as many as '{ours[0].name}': {sink.name} takes them side by side"
            )
            yield Fault(document.place(("topics", topic.name, "partitions")), message)


def _source_faults(document: Document, sink: SinkSpec, topics: Mapping[str, TopicSpec]) -> Iterator[Fault]:
    for i, name in enumerate(sink.consumes):
        topic = topics.get(name)
        if topic is not None and topic.schema_file is None:
            message = f"topic '{name}' has no schema: nothing of it could be decoded"
            yield Fault(document.place(("workers", sink.name, "consumes", i)), message)
        if topic is not None and topic.config.get("message.timestamp.type") != "LogAppendTime":
            message = f"message.timestamp.type: LogAppendTime is wanted, for {sink.name} merges its topics by time"
            yield Fault(document.place(("topics", name, "config", "message.timestamp.type")), message)


def _parked_faults(document: Document, sink: SinkSpec, topics: Mapping[str, TopicSpec]) -> Iterator[Fault]:
    parked = topics.get(sink.parks)
    if parked is not None:
        sources = [topics[name] for name in sink.consumes if name in topics]
        wanted = max((message_bytes(topic) for topic in sources), default=0) + HEADERS_ROOM
        config = ("topics", parked.name, "config")
        if parked.config.get("retention.ms") != "-1":
            yield Fault(
                document.place((*config, "retention.ms")), "retention.ms: -1 is wanted, or parked orders expire"
            )
        if message_bytes(parked) < wanted:
            message = f"max.message.bytes: {wanted} or more is wanted: 64 KiB beyond the largest source"
            yield Fault(document.place((*config, "max.message.bytes")), message)
    for name in (sink.parked_state, sink.tracks):
        topic = topics.get(name or "")
        if topic is not None and topic.config.get("cleanup.policy") != "compact":
            message = f"cleanup.policy: compact is wanted, or what {sink.name} remembers of its orders expires"
            yield Fault(document.place(("topics", topic.name, "config", "cleanup.policy")), message)


def message_bytes(topic: TopicSpec) -> int:
    """The largest batch that the topic takes, by its ``max.message.bytes``."""
    text = topic.config.get("max.message.bytes", "")
    return int(text) if text.isdecimal() else DEFAULT_MESSAGE_BYTES


def _shared_faults(document: Document, sinks: Mapping[str, SinkSpec]) -> Iterator[Fault]:
    owners: dict[str, str] = {}
    for sink in sinks.values():
        owner = owners.setdefault(sink.parks, sink.name)
        if owner != sink.name:
            message = f"parks: '{sink.parks}' is already that of {owner}; each sink needs its own"
            yield Fault(document.place(("workers", sink.name, "parks")), message)
