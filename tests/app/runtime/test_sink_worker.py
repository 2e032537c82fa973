"""What a sink shows of itself before it has joined its group."""

import asyncio
from collections.abc import Iterable
from contextlib import closing

from tests.support.sink_rig import PlainCodec
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.worker_rig import FakeKafka, WorkerRig
from workers.core.last_errors import Part
from workers.edges.avro.registry import RegistryUnavailable


class Waiting(PlainCodec):
    """A codec whose registry is away until it is back."""

    is_away = True

    async def prepare(self, topics: Iterable[str]) -> None:
        del topics
        if self.is_away:
            raise RegistryUnavailable("registry: connection refused")


def test_a_sink_that_waits_for_the_registry_is_not_stuck_and_says_what_it_waits_for() -> None:
    async def wait() -> None:
        codec = Waiting()
        worker = WorkerRig(FakeKafka(), codec, receipts="ecdp-receipts").worker
        starting = asyncio.get_running_loop().create_task(worker.start())
        await asyncio.sleep(600)
        assert (worker.age(), worker.state) == (0.0, "starting")
        assert worker.pipe.stats.errors.of(Part.REGISTRY) == "registry: connection refused"
        codec.is_away = False
        await starting
        assert worker.pipe.stats.errors.last is None
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    with closing(VirtualTimeLoop()) as loop:
        loop.run_until_complete(wait())
