"""`relay poller reset` decides for each shard alone, and names the shards that it does not move."""

import pytest

from workers.app.inspect.pollers import MovedShard, UnmovedShard, summarize
from workers.edges.kafka.client import KafkaFailed

WHY = "has not come so far yet: to move it forward would lose changes"


def test_a_shard_that_cannot_be_moved_does_not_keep_the_others_from_moving() -> None:
    """One order that never got an answer holds its own shard's cursor at the beginning, and no other shard's."""
    moved, unmoved = [MovedShard(0, 9, 1), MovedShard(2, 9, 1)], UnmovedShard(1, WHY)
    assert summarize("ecourier-poller", [moved[0], unmoved, moved[1]]) == (moved, [unmoved])


def test_the_reset_fails_when_no_shard_can_be_moved() -> None:
    with pytest.raises(KafkaFailed, match="shard 0 of ecourier-poller has not come so far yet"):
        summarize("ecourier-poller", [UnmovedShard(0, WHY), UnmovedShard(1, WHY)])
