"""Writer schemas none of whose records could be decoded: the partition stops, so that no whole stream is parked."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from workers.core.record import Record
from workers.edges.avro.codec import Codec
from workers.edges.avro.framing import framing_of
from workers.edges.avro.reader import Undecodable

_MOST_SCHEMAS: Final = 10_000  # of each kind: garbage may name any id


class WrittenWith(NamedTuple):
    """A topic, and what names the writer's schema in its records."""

    topic: str
    schema: bytes


@dataclass(slots=True)
class SuspectSchemas:
    """Counts each schema's undecodable records, until one decodes: from then on a bad record is bad by itself."""

    _codec: Codec
    _limit: int  # undecodable records of one schema
    _proven: set[WrittenWith] = field(default_factory=set)
    _undecodable: Counter[WrittenWith] = field(default_factory=Counter)

    def stop_before(self, record: Record) -> str | None:
        """Why nothing of the record's partition may go on; None: the record may. Raises `UnknownSchema`."""
        value = record.value or b""
        try:
            written = WrittenWith(record.topic, framing_of(value, record.headers).schema)
        except Undecodable:
            return None  # nothing names a schema
        if written in self._proven:
            return None
        try:
            self._codec.decode(record.topic, value, record.headers)
        except Undecodable as error:
            return self._count(written, str(error))
        _make_room(self._proven)
        self._proven.add(written)
        return None

    def _count(self, written: WrittenWith, why: str) -> str | None:
        if self._undecodable[written] >= self._limit:
            return f"none of the first {self._limit} records of a schema could be decoded, and more follow: {why}"
        _make_room(self._undecodable)
        self._undecodable[written] += 1
        return None


def _make_room(known: set[WrittenWith] | Counter[WrittenWith]) -> None:
    if len(known) >= _MOST_SCHEMAS:
        known.clear()
