"""What a worker may do is asked without a trace: system/test_broker_settings.py has a broker that refuses."""

from typing import Any

import pytest

from tests.support.kafka_rig import Side
from workers.core.record import Partition
from workers.edges.kafka.rights import Rights, missing_rights
from workers.edges.kafka.transactions import Outgoing, Transactions

pytestmark = pytest.mark.broker


async def test_a_broker_without_acls_allows_all_and_a_running_worker_notices_nothing(
    side: Side, topics: Any, join: Any
) -> None:
    topic, parked = topics(partitions=1), topics("parked", partitions=1)
    source, witness = join(topic, [topic])
    await witness.until_begun(1)
    writer = Transactions(side.connection, topic)
    await writer.open()
    wanted = Rights(group=topic, reads=(topic, "missing"), writes=(parked,), transactional_id=topic)
    assert missing_rights(side.connection, wanted) == []
    await writer.append([Outgoing(Partition(parked, 0), b"k", b"v")])
    await source.commit(witness.epoch, {})
    assert [one.value for one in side.read(parked)] == [b"v"]
    assert witness.epoch == 1
    await writer.close()
