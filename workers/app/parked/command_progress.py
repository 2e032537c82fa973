"""A command that has been taken, until the last of its orders has ended; then its row is removed."""

from workers.app.sink.shard import Shard
from workers.app.sink.write_queue import Write
from workers.core.record import Partition
from workers.edges.kafka.transactions import Outgoing


class CommandProgress:
    def __init__(self, shard: Shard, key: str, orders: set[str], state_topic: str) -> None:
        self._shard = shard
        self._key = key
        self._at = Partition(state_topic, shard.number)
        self.orders = orders  # that have not ended
        self.has_ended = False

    def write(self, row: bytes | None) -> None:
        """Queue the command's row, behind all that the command has changed so far; None removes it."""
        self._shard.writes.append(Write(extra_record=Outgoing(self._at, self._key.encode(), row)))

    def order_ended(self, order_id: str) -> None:
        """Nothing more is to be done for this order, however that went."""
        self.orders.discard(order_id)
        if not self.orders:
            self.end()

    def end(self) -> None:
        """The command must not run again after a restart."""
        if not self.has_ended:
            self.has_ended = True
            self.write(None)
