"""A worker whose topics do not fit each other does not join its group: their records would wait for ever."""

from dataclasses import dataclass

import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from workers.edges.kafka.starting import topics_fault


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
    ("counts", "fault"),
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
def test_merged_topics_have_equal_partition_counts_and_written_topics_no_fewer(
    counts: dict[str, int | type[Exception]], fault: str | None
) -> None:
    """A written topic may be missing here: its writer reports that."""
    assert topics_fault(Consumer(counts), ("created", "status"), ("parked", "state")) == fault


def test_a_written_topic_without_which_nothing_is_committed_may_not_be_missing() -> None:
    """Else what is delivered would be delivered again at each restart."""
    there = Consumer({"created": 3, "parked": 3})
    fault = topics_fault(there, ("created",), ("parked", "receipts"), ("receipts",))
    assert fault == "no receipts; run 'relay topics apply', or wait for Kafka"


def test_a_missing_right_on_a_topic_ends_the_member() -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        topics_fault(Consumer({"created": TopicAuthorizationFailedError}), ("created",), ())
