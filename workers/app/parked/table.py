"""Reads the parked state of one assignment: its orders' fences, and what people ask of its owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.app.sink.shard import Shard
from workers.core.parked.commands import Command, is_command
from workers.core.parked.fence import Fence
from workers.core.parked.rows import read_row
from workers.core.record import Record
from workers.edges.log import log


class ParkedState:
    """Fills the shards of one assignment, and no later ones: rows that come late change nothing."""

    def __init__(
        self,
        shards: Mapping[int, Shard],
        loaded: Callable[[Shard], None],
        commanded: Callable[[Shard, str, Command], None],
    ) -> None:
        self._shards = shards
        self._loaded = loaded
        self._commanded = commanded
        self._commands: dict[int, dict[str, Command]] = {}  # met before the end was reached

    def rows(self, number: int, records: list[Record]) -> None:
        for record in records:
            self._row(self._shards[number], record)

    def loaded(self, number: int) -> None:
        """Every fence is known; commands that waited for that are carried out now."""
        shard = self._shards[number]
        self._loaded(shard)
        for key, command in self._commands.pop(number, {}).items():
            self._commanded(shard, key, command)

    def _row(self, shard: Shard, record: Record) -> None:
        if shard.fences_loaded and not is_command(record.key or b""):
            return  # our own, known before it was written; a replay brings thousands of them
        key = (record.key or b"").decode("utf-8", "replace")
        row = self._read(record)
        if row is not None and not isinstance(row, Fence):
            if shard.fences_loaded:
                self._commanded(shard, key, row)
            else:
                self._commands.setdefault(shard.number, {})[key] = row
        elif not shard.fences_loaded:
            if row is None:
                shard.fences.pop(key, None)
                self._commands.get(shard.number, {}).pop(key, None)
            else:
                shard.fences[key] = row

    @staticmethod
    def _read(record: Record) -> Fence | Command | None:
        if record.value is None:
            return None
        try:
            return read_row(record.value)
        except ValueError as error:
            log.error("parked_state_unreadable", partition=str(record.at), offset=record.offset, detail=str(error))
            return None
