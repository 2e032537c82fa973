"""The parked state of one assignment: its orders' fences, and what operators ask of the worker, each command once."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from workers.app.parked.command_progress import CommandProgress
from workers.app.parked.discard import Discards
from workers.app.parked.replay import Replays
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.fetching import Fetching
from workers.app.sink.intake import Intake
from workers.app.sink.shard import Shard
from workers.core.parked.fence import Fence, OrderKey
from workers.core.parked.rows import (
    Command,
    DiscardCommand,
    ReplayCommand,
    RestartAt,
    command_row,
    is_command,
    read_row,
)
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaFailed
from workers.edges.log import log


class ParkedCommands:
    def __init__(
        self, context: SinkContext, ownership: Ownership, replays: Replays, discards: Discards, fetching: Fetching
    ) -> None:
        self._context = context
        self._ownership = ownership
        self._replays = replays
        self._discards = discards
        self._fetching = fetching
        self._begun: set[OrderKey] = set()  # partition number and row key of each command; a key is used once

    def carry_out(self, shard: Shard, key: str, command: Command) -> None:
        """Begin with a command. Of a shard that has been given away, its next owner reads the command, too."""
        if not self._ownership.owns(shard):
            return
        if isinstance(command, RestartAt):
            self._restart(shard, key, command)
        else:
            self._begin(shard, key, command)

    def _restart(self, shard: Shard, key: str, command: RestartAt) -> None:
        at = Partition(command.topic, shard.number)
        if self._context.wall_ms() < command.expires_ms and at in shard.stopped:
            self._fetching.restart(shard, at, command.offset)
        self._progress(shard, key, set()).end()

    def _begin(self, shard: Shard, key: str, command: ReplayCommand | DiscardCommand) -> None:
        if OrderKey(shard.number, key) in self._begun:
            return  # our own row, which says that the command is taken; perhaps read back after the command's end
        if not command.taken and self._context.wall_ms() >= command.expires_ms:
            self._progress(shard, key, set()).end()
            return
        orders = set(_orders_meant(shard, command.orders, command.id))
        kind = "replay" if isinstance(command, ReplayCommand) else "discard"
        who = {"by": command.by, "why": command.why}
        log.info("command_taken", worker=self._context.spec.name, kind=kind, orders=len(orders), **who)
        progress = self._progress(shard, key, orders)
        self._begun.add(OrderKey(shard.number, key))
        if not orders:
            progress.end()
            return
        progress.write(command_row(replace(command, taken=True)))
        if isinstance(command, DiscardCommand):
            self._discards.ask(shard, command, progress)
            return
        waiting = (progress,)  # one tuple for all: a hundred thousand orders may wait
        for order_id in list(command.orders):
            if order_id in orders:
                self._replays.ask(shard, order_id, command.id, waiting, resumed=command.taken)

    def _progress(self, shard: Shard, key: str, orders: set[str]) -> CommandProgress:
        return CommandProgress(shard, key, orders, self._context.spec.parked_state)


def _orders_meant(shard: Shard, orders: Mapping[str, int], command: str) -> Iterator[str]:
    """The orders that are still behind the fence that the operator saw, and not treated by this command yet."""
    for order_id, since_ms in orders.items():
        fence = shard.fences.get(order_id)
        if fence is not None and fence.since_ms == since_ms and fence.command != command:
            yield order_id


def _without_withdrawn(records: list[Record]) -> list[Record]:
    """Without the commands that the operator has withdrawn: a removed row that we have not begun must do nothing."""
    rows = {record.key: record for record in records if is_command(record.key or b"")}  # the last of each key
    withdrawn = {key for key, row in rows.items() if row.value is None}
    return [record for record in records if record.value is None or record.key not in withdrawn]


class ParkedState:
    """Fills the shards of one assignment: rows that come after its end change nothing elsewhere.

    Implements the `Reader` of `edges.kafka.table`.
    """

    def __init__(
        self,
        context: SinkContext,
        shards: Mapping[int, Shard],
        intake: Intake,
        replays: Replays,
        commands: ParkedCommands,
    ) -> None:
        self._context = context
        self._shards = shards
        self._intake = intake
        self._replays = replays
        self._commands = commands
        self._early: dict[int, dict[str, Command]] = {}  # commands read before the fences were known
        self._unreadable: dict[OrderKey, str] = {}  # rows of orders, until a later row of the same order is read

    def rows(self, number: int, records: list[Record]) -> None:
        for record in _without_withdrawn(records):
            self._row(self._shards[number], record)

    def loaded(self, number: int) -> None:
        """Every fence is known: records may go, replays go on, and commands that waited are carried out.

        Invariant: nothing begins while a fence cannot be read. Taken for lifted, its order's next records would pass
        the parked ones, and these would be deleted with the parked history.
        """
        shard = self._shards[number]
        if unreadable := [said for key, said in self._unreadable.items() if key.partition_number == number]:
            self._context.failed(KafkaFailed(unreadable[0]))
            return
        shard.fences_loaded = True
        self._intake.loaded(shard)
        self._replays.loaded(shard)
        for key, command in self._early.pop(number, {}).items():
            self._commands.carry_out(shard, key, command)

    def _row(self, shard: Shard, record: Record) -> None:
        if shard.fences_loaded and not is_command(record.key or b""):
            return  # our own, known before it was written; a replay brings thousands of them
        key = (record.key or b"").decode("utf-8", "replace")
        self._unreadable.pop(OrderKey(shard.number, key), None)
        try:
            row = None if record.value is None else read_row(record.value)
        except ValueError as error:
            self._cannot_read(record, key, str(error))
            return
        if row is not None and not isinstance(row, Fence):
            if shard.fences_loaded:
                self._commands.carry_out(shard, key, row)
            else:
                self._early.setdefault(shard.number, {})[key] = row
        elif not shard.fences_loaded:
            shard.fences.load(key, row)
            if row is None:
                self._early.get(shard.number, {}).pop(key, None)

    def _cannot_read(self, record: Record, key: str, detail: str) -> None:
        log.error("parked_state_unreadable", partition=str(record.at), offset=record.offset, detail=detail)
        if not is_command(record.key or b""):
            advice = "run a release that reads it"
            said = f"{record.at}, offset {record.offset}: the row of a parked order cannot be read ({detail}); {advice}"
            self._unreadable[OrderKey(record.at.number, key)] = said
