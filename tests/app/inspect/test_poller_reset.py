"""What a reset says of several shards: each is moved or not for itself, and none is moved without being named."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from workers.app.inspect import poller_reset as poll_reset
from workers.app.inspect.poller_reset import Moved, Unmoved, reset_poller
from workers.edges.kafka.client import KafkaFailed

STAYS = "is not so far yet: forward it would lose changes"


async def reset(monkeypatch: pytest.MonkeyPatch, found: Sequence[Moved | Unmoved]) -> Any:
    async def of_shard(_configuration: Any, _spec: Any, _codec: Any, number: int, _to_ms: int) -> Moved | Unmoved:
        return found[number]

    async def prepare(_topics: Any) -> None:
        return

    monkeypatch.setattr(poll_reset, "_reset", of_shard)
    topics = {"state": SimpleNamespace(partitions=len(found))}
    configuration: Any = SimpleNamespace(config=SimpleNamespace(topics=topics))
    spec: Any = SimpleNamespace(name="ecourier-poller", state="state")
    codec: Any = SimpleNamespace(prepare=prepare)
    return await reset_poller(configuration, spec, codec, 1)


async def test_a_shard_that_is_not_so_far_keeps_no_other_from_moving(monkeypatch: pytest.MonkeyPatch) -> None:
    """One order that was never answered holds its shard at the beginning: the others must not stay for it."""
    found: list[Moved | Unmoved] = [Moved(0, 9, 1), Unmoved(1, STAYS), Moved(2, 9, 1)]
    assert await reset(monkeypatch, found) == ([found[0], found[2]], [found[1]])


async def test_where_no_shard_can_be_moved_it_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaFailed, match="shard 0 of ecourier-poller is not so far yet"):
        await reset(monkeypatch, [Unmoved(0, STAYS), Unmoved(1, STAYS)])
