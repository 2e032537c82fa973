"""`relay poller reset` decides for each shard, or set, alone, and names those that it does not move."""

from dataclasses import replace
from typing import Any

import pytest

from workers.app.config.specs import PollerSpec
from workers.app.inspect.pollers import MovedShard, UnmovedShard, moved_cursor, place_of, summarize
from workers.core.poll.cursor import Cursor
from workers.edges.kafka.client import KafkaFailed

WHY = "has not come so far yet: to move it forward would lose changes"


def test_a_shard_that_cannot_be_moved_does_not_keep_the_others_from_moving() -> None:
    """One order that never got an answer holds its own shard's cursor at the beginning, and no other shard's."""
    moved, unmoved = [MovedShard(0, 9, 1), MovedShard(2, 9, 1)], UnmovedShard(1, WHY)
    assert summarize("ecourier-poller", [moved[0], unmoved, moved[1]]) == (moved, [unmoved])


def test_the_reset_fails_when_no_shard_can_be_moved() -> None:
    with pytest.raises(KafkaFailed, match="shard 0 of ecourier-poller has not come so far yet"):
        summarize("ecourier-poller", [UnmovedShard(0, WHY), UnmovedShard(1, WHY)])


def test_a_set_is_named_by_its_name() -> None:
    moved, unmoved = MovedShard(0, 9, 1, "orders"), UnmovedShard(0, WHY, "rmas")
    assert summarize("e2cc-poller", [moved, unmoved]) == ([moved], [unmoved])
    assert [place_of(moved), place_of(MovedShard(3, 9, 1))] == ["set orders", "shard 3"]
    with pytest.raises(KafkaFailed, match="set rmas of e2cc-poller has not come so far yet"):
        summarize("e2cc-poller", [unmoved])


def spec(**more: Any) -> PollerSpec:
    common = {"name": "poller", "vendor": "x", "publishes": ["x"], "state": "state", "credentials": "X"}
    return PollerSpec.model_validate(common | more)


CURSOR = Cursor(900, 500, looked_ms=800, swept_ms=700)
SETS = {"sets": {"orders": {"every": "1m"}}}


@pytest.mark.parametrize(
    ("more", "cursor", "after"),
    [
        ({"every": "10s"}, CURSOR, replace(CURSOR, at_ms=300, snapshot_until_ms=900)),
        ({"every": "10s", "follows": "tracked"}, CURSOR, replace(CURSOR, at_ms=300)),
        (SETS, CURSOR, replace(CURSOR, at_ms=300, snapshot_until_ms=900, swept_ms=0)),
        (
            SETS,
            replace(CURSOR, open_from_ms=600),
            replace(CURSOR, at_ms=300, snapshot_until_ms=900, swept_ms=0, open_from_ms=300),
        ),
    ],
    ids=["of a time range", "of single orders", "of a set", "of a set whose first picture is not read"],
)
def test_a_cursor_moves_back_and_a_set_is_read_as_a_whole(more: dict[str, Any], cursor: Cursor, after: Cursor) -> None:
    assert moved_cursor(cursor, 300, spec(**more)) == after


@pytest.mark.parametrize(("cursor", "why"), [(None, "has never polled"), (CURSOR, "would lose changes")])
def test_no_cursor_moves_forward(cursor: Cursor | None, why: str) -> None:
    assert why in str(moved_cursor(cursor, 900, spec(**SETS)))
