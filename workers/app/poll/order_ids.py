"""Order ids that a vendor could not keep as they are: the rows of the sink's tracked topic have them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from workers.app.config.configuration import Configuration
from workers.app.config.specs import Config, PollerSpec, TopicSpec
from workers.core.poll.vendor_set import SetRow, with_named_order
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.table import StartGoneError, read_all
from workers.vendors.contract import Vendor


@dataclass(slots=True, eq=False)
class OrderIds:
    """Finds the order of a reference; the topic is read when a reference is met for the first time.

    Invariant: the sink's row is durable before the vendor hears of the order. So a reference that the topic does not
    explain is not the sink's, and is not looked for again.
    """

    connection: KafkaConnection
    partitions: Sequence[Partition]  # of the sink's tracked topic; its keys are order ids
    reference: Callable[[str], str]  # `Vendor.reference`
    read_all: Callable[..., Awaitable[int]] = read_all  # `workers.edges.kafka.table`
    _ends: dict[Partition, int] = field(default_factory=dict)  # as far as each was read
    _found: dict[str, str | None] = field(default_factory=dict)  # by the reference; None: it is not the sink's
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)  # sets ask at the same time: one reads, for all of them

    async def named(self, rows: Sequence[SetRow]) -> tuple[SetRow, ...]:
        """The rows, with the order ids of their references; raises `KafkaFailed`."""
        references = {row.item.reference for row in rows if row.item is not None} - {None}
        if references - self._found.keys():  # a set that knows all of its own waits for no other one
            async with self._one:
                await self._learn(references)
        return tuple(with_named_order(row, self._found) for row in rows)

    async def _learn(self, references: set[str | None]) -> None:
        if references - self._found.keys():
            await self._read()
            self._found = dict.fromkeys((one for one in references if one is not None), None) | self._found

    async def _read(self) -> None:
        for partition in self.partitions:
            try:
                # Beyond open transactions: a row tells nothing but which order its reference means.
                self._ends[partition] = await self.read_all(
                    self.connection, partition, self._take, self._ends.get(partition), committed=False
                )
            except StartGoneError:
                self._ends.pop(partition, None)
                raise

    def _take(self, records: Iterable[Record]) -> None:
        """In the reading thread, while `named` waits."""
        for record in records:
            order_id = (record.key or b"").decode("utf-8", "replace")
            reference = self.reference(order_id)
            if reference != order_id:
                self._found[reference] = order_id


def topic_of_references(config: Config, spec: PollerSpec, vendor: Vendor) -> TopicSpec | None:
    """The tracked topic of the account's sink; None: the vendor keeps every order id, or no such sink is known."""
    tracked = next((one.tracks for one in config.sinks.values() if one.account == spec.account), None)
    return None if vendor.reference is None or tracked is None else config.topics.get(tracked)


def open_order_ids(configuration: Configuration, spec: PollerSpec, vendor: Vendor) -> OrderIds | None:
    """None: as for `topic_of_references`."""
    topic = topic_of_references(configuration.config, spec, vendor)
    if vendor.reference is None or topic is None:
        return None
    partitions = [Partition(topic.name, number) for number in range(topic.partitions)]
    return OrderIds(configuration.settings.kafka, partitions, vendor.reference)
