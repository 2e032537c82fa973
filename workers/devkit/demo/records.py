"""What the demo's topics hold: their records as ``relay tail --from-beginning`` shows them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from workers.app.config.configuration import Configuration
from workers.app.events.command_codec import open_codec
from workers.app.events.json_lines import record_json
from workers.edges.kafka.reader import FOLLOW_WAIT_MS, all_partitions, open_reader

Shown: TypeAlias = Mapping[str, Any]


def follow(configuration: Configuration, topics: Iterable[str]) -> Generator[Mapping[str, Sequence[Shown]]]:
    """Yield the records so far by topic, and again whenever more may have come, without end; raises `KafkaFailed`."""
    found: dict[str, list[Shown]] = {topic: [] for topic in topics}
    with open_codec(configuration) as codec, open_reader(configuration.settings.kafka, FOLLOW_WAIT_MS) as reader:
        bounds = reader.bounds([one for topic in found for one in all_partitions(reader, topic)])
        for records in reader.follow({partition: kept.earliest for partition, kept in bounds.items()}):
            for record in records:
                found[record.topic].append(record_json(codec, record))
            yield found
