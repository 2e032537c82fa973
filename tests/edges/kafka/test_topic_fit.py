"""Topics that do not fit each other are told before a group is joined: their records would wait for ever."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from workers.edges.kafka.topic_fit import unfit


@dataclass
class Consumer:
    """Answers as a `KafkaConsumer`: the partition numbers, None for a topic that it does not know."""

    counts: dict[str, int | type[Exception]]

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self.counts.get(topic, 0)
        if isinstance(count, type):
            raise count
        return set(range(count)) or None


@pytest.mark.parametrize(
    ("counts", "wrong"),
    [
        ({"created": 3, "status": 3, "parked": 3, "state": 3}, None),
        ({"created": 3, "status": 3, "parked": 6, "state": 3}, None),
        ({"created": 3, "status": 3, "state": 3}, None),
        ({"created": 3, "parked": 3, "state": 3}, "no status; run 'relay topics apply', or wait for Kafka"),
        ({"created": 3, "status": KafkaTimeoutError}, "no status; run 'relay topics apply', or wait for Kafka"),
        ({"created": 3, "status": 2}, "3 partitions are wanted, and status has 2; see 'relay topics plan'"),
        (
            {"created": 3, "status": 3, "parked": 2, "state": 1},
            "3 partitions are wanted, and parked has 2, state has 1; see 'relay topics plan'",
        ),
    ],
)
def test_what_a_worker_needs_of_its_topics(counts: dict[str, int | type[Exception]], wrong: str | None) -> None:
    """What it takes side by side has equal numbers; what it writes to has as many, or is missing and told elsewhere."""
    assert unfit(Consumer(counts), ("created", "status"), ("parked", "state")) == wrong


def test_a_refusal_ends_the_member() -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        unfit(Consumer({"created": TopicAuthorizationFailedError}), ("created",), ())
