"""Reads the parked state of one assignment: its orders' fences, and operators' commands."""

from collections.abc import Mapping

from workers.app.parked.commands import ParkedCommands
from workers.app.parked.replay import Replays
from workers.app.sink.intake import Intake
from workers.app.sink.shard import Shard
from workers.core.parked.fence import Fence
from workers.core.parked.rows import Command, is_command, read_row
from workers.core.record import Record
from workers.edges.log import log


class ParkedState:
    """Fills the shards of one assignment: rows that come after its end change nothing elsewhere.

    Implements the `Reader` of `edges.kafka.table`.
    """

    def __init__(self, shards: Mapping[int, Shard], intake: Intake, replays: Replays, commands: ParkedCommands) -> None:
        self._shards = shards
        self._intake = intake
        self._replays = replays
        self._commands = commands
        self._early: dict[int, dict[str, Command]] = {}  # commands read before the fences were known

    def rows(self, number: int, records: list[Record]) -> None:
        for record in records:
            self._row(self._shards[number], record)

    def loaded(self, number: int) -> None:
        """Every fence is known: records may go, replays go on, and commands that waited are carried out."""
        shard = self._shards[number]
        shard.fences_loaded = True
        self._intake.loaded(shard)
        self._replays.loaded(shard)
        for key, command in self._early.pop(number, {}).items():
            self._commands.carry_out(shard, key, command)

    def _row(self, shard: Shard, record: Record) -> None:
        if shard.fences_loaded and not is_command(record.key or b""):
            return  # our own, known before it was written; a replay brings thousands of them
        key = (record.key or b"").decode("utf-8", "replace")
        row = self._read(record)
        if row is not None and not isinstance(row, Fence):
            if shard.fences_loaded:
                self._commands.carry_out(shard, key, row)
            else:
                self._early.setdefault(shard.number, {})[key] = row
        elif not shard.fences_loaded:
            shard.fences.load(key, row)
            if row is None:
                self._early.get(shard.number, {}).pop(key, None)

    @staticmethod
    def _read(record: Record) -> Fence | Command | None:
        if record.value is None:
            return None
        try:
            return read_row(record.value)
        except ValueError as error:
            log.error("parked_state_unreadable", partition=str(record.at), offset=record.offset, detail=str(error))
            return None
