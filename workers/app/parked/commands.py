"""What people ask of the running worker about its parked orders, carried out once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from workers.app.parked.discard import Discards
from workers.app.parked.replay import Redelivery
from workers.app.sink.shard import Shard
from workers.app.sink.state import SinkState
from workers.app.sink.write_queue import WriteQueue
from workers.core.parked.commands import Discard, Replay, command_row
from workers.core.record import Partition
from workers.edges.kafka.transactions import Outgoing
from workers.edges.log import log


class ParkedCommands:
    """Keeps the commands that have been taken until the last of their orders has ended; then their rows go."""

    def __init__(
        self,
        state: SinkState,
        queue: WriteQueue,
        redelivery: Redelivery,
        discards: Discards,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._state = state
        self._queue = queue
        self._redelivery = redelivery
        self._discards = discards
        self._wake = wake
        self._open: dict[str, set[str]] = {}  # by their keys: their orders that have not ended yet
        # By partition number and order: the commands that wait for it.
        self._keys: dict[tuple[int, str], tuple[str, ...]] = {}

    def carry_out(self, shard: Shard, key: str, command: Replay | Discard) -> None:
        """Begin with a command's orders. A row that we have written ourselves says nothing new."""
        if key in self._open:
            return
        if not command.taken and self._state.wall_ms() >= command.expires_ms:
            self._end(shard, key)
            return
        orders = set(_meant(shard, command.orders, command.id))
        log.info("command_taken", worker=self._state.spec.name, kind=type(command).__name__.lower(), orders=len(orders))
        if not orders:
            self._end(shard, key)
            return
        self._open[key] = orders
        self._say(shard, key, command_row(replace(command, taken=True)))
        match command:
            case Replay():
                self._replay(shard, key, command, orders)
            case Discard():
                self._discards.carry_out(shard, command, orders, lambda: self._end(shard, key))

    def ended(self, shard: Shard, order_id: str) -> None:
        """An order's run is over."""
        for key in self._keys.pop((shard.number, order_id), ()):
            orders = self._open[key]
            orders.discard(order_id)
            if not orders:
                self._end(shard, key)

    def forget(self) -> None:
        """The partitions are given away: their next owner goes on."""
        self._open.clear()
        self._keys.clear()

    def _replay(self, shard: Shard, key: str, command: Replay, orders: set[str]) -> None:
        alone = (key,)  # one for all: a hundred thousand orders may wait
        for order_id in list(command.orders):
            if order_id in orders:
                place = shard.number, order_id
                self._keys[place] = self._keys[place] + alone if place in self._keys else alone
                self._redelivery.ask(shard, order_id, command.id, resumed=command.taken)

    def _end(self, shard: Shard, key: str) -> None:
        """Take the command away, after all that it has changed: it must not run again after a restart."""
        self._open.pop(key, None)
        self._say(shard, key, None)

    def _say(self, shard: Shard, key: str, value: bytes | None) -> None:
        at = Partition(self._state.spec.parked_state, shard.number)
        self._queue.say(shard.number, Outgoing(at, key.encode(), value))
        self._wake()


def _meant(shard: Shard, orders: Mapping[str, int], command: str) -> Iterator[str]:
    """The orders that are still behind the fence that was seen, and on which this command has not been carried out."""
    for order_id, since_ms in orders.items():
        fence = shard.fences.get(order_id)
        if fence is not None and fence.since_ms == since_ms and fence.command != command:
            yield order_id
