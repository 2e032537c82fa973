"""A member that is stopped leaves its group, or keeps its partitions for its restart."""

from typing import Any

import pytest

from tests.support.kafka_rig import WITHIN, Side

pytestmark = pytest.mark.broker


async def test_a_member_that_stops_leaves_its_partitions_to_the_others_at_once(
    side: Side, topics: Any, join: Any
) -> None:
    """Its session would last far longer than this test waits."""
    topic = topics(partitions=2)
    _, stays = join(topic, [topic], "stays", session_timeout_s=10 * WITHIN)
    leaver, leaves = join(topic, [topic], "leaves", session_timeout_s=10 * WITHIN)
    await leaves.until_begun(1)
    await leaver.stop(10.0)
    await stays.until_begun(2)


async def test_a_member_that_keeps_its_partitions_has_them_again_and_the_others_notice_nothing(
    side: Side, topics: Any, join: Any
) -> None:
    topic = topics(partitions=2)
    _, stays = join(topic, [topic], "stays")
    first, before = join(topic, [topic], "keeps", leaves=False)
    await before.until_begun(1)
    await stays.until_begun(1)
    epoch = stays.epoch
    await first.stop(10.0)
    _, after = join(topic, [topic], "keeps")
    await after.until_begun(1)
    assert after.begun_at == before.begun_at
    assert stays.epoch == epoch
