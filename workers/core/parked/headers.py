"""The headers of a parked record: its source, why it is parked, and which order it belongs to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from workers.core.parked.fence import NO_KEY, ParkReason
from workers.core.parked.rows import DiscardCommand
from workers.core.record import Headers, Record

PREFIX = "relay-"
SOURCE_TOPIC = "relay-source-topic"
SOURCE_OFFSET = "relay-source-offset"
REASON = "relay-reason"
DETAIL = "relay-detail"
PARKED_AT = "relay-parked-at"
REPLAYS = "relay-replays"
ORDER_ID = "relay-order-id"
DISCARDED_AT = "relay-discarded-at"
DISCARDED_BY = "relay-discarded-by"
DISCARDED_WHY = "relay-discarded-why"
DISCARDED_RECORDS = "relay-discarded-records"
DISCARDED_FIRST = "relay-discarded-first"
DISCARDED_LAST = "relay-discarded-last"
_COORDINATES = (SOURCE_TOPIC, "relay-source-partition", SOURCE_OFFSET, "relay-source-timestamp")


@dataclass(frozen=True, slots=True)
class Parking:
    reason: ParkReason
    detail: str  # one line, redacted
    status: int | None = None  # HTTP
    attempts: int = 0
    replays: int = 0  # how often it was replayed and refused again; above 0 this is a copy
    blocks_following: bool = True  # later records of the order are parked behind it


def parked_headers(record: Record, sink: str, parking: Parking, now_ms: int, order_id: str | None = None) -> Headers:
    """The record's own headers, then where it came from and why it is here.

    ``order_id`` is written only where the key is another: which order the record belongs to must not depend on what
    its value decodes to at the time of a replay.

    A replayed record that is refused again is written once more, with the new reason. The copy keeps the coordinates
    of its source and has the header ``relay-replays``; its place in the sequence is that of the original.
    """
    own = tuple(header for header in record.headers if not header[0].startswith(PREFIX))
    source = {
        SOURCE_TOPIC: record.topic,
        "relay-source-partition": str(record.partition),
        SOURCE_OFFSET: str(record.offset),
        "relay-source-timestamp": str(record.timestamp_ms),
    }
    why = {
        REASON: parking.reason.value,
        DETAIL: parking.detail,
        "relay-http-status": "" if parking.status is None else str(parking.status),
        "relay-attempts": str(parking.attempts),
        PARKED_AT: datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds"),
    }
    ours = {"relay-sink": sink} | source | why
    if parking.replays:
        ours[REPLAYS] = str(parking.replays)
    if order_id is not None and order_id != _key_order(record):
        ours[ORDER_ID] = order_id
    return own + tuple((name, text.encode("utf-8", "replace")) for name, text in ours.items())


def discard_headers(
    sink: str, command: DiscardCommand, records: int, places: tuple[int, int], now: datetime
) -> Headers:
    """The trace of a discard: a record without a value, behind those that were given up.

    ``places``: their first and last offset in the parked topic.
    """
    ours = {
        "relay-sink": sink,
        DISCARDED_AT: now.isoformat(timespec="milliseconds"),
        DISCARDED_BY: command.by,
        DISCARDED_WHY: command.why,
        DISCARDED_RECORDS: str(records),
        DISCARDED_FIRST: str(places[0]),
        DISCARDED_LAST: str(places[1]),
    }
    return tuple((name, text.encode("utf-8", "replace")) for name, text in ours.items())


class ParkedOriginal(NamedTuple):
    """A parked record that is to be replayed. Its headers are read once: a replay reads many records."""

    place: int  # its offset in the parked topic
    reason: str
    source: Record  # as its source had it


def read_original(parked: Record) -> ParkedOriginal | None:
    """None if the record is no original (`is_original`); raises `ValueError`."""
    headers = dict(parked.headers)
    if not _is_original(headers):
        return None
    reason = (headers.get(REASON) or b"").decode("utf-8", "replace")
    return ParkedOriginal(parked.offset, reason, _source(parked, headers))


def source_record(parked: Record) -> Record:
    """The record as its source had it, from a parked one's bytes and headers; raises `ValueError`."""
    return _source(parked, dict(parked.headers))


def _source(parked: Record, headers: Mapping[str, bytes | None]) -> Record:
    """``headers``: the parked record's, by name. A publisher's header never begins with `PREFIX`."""
    try:
        topic, partition, offset, timestamp = [headers[name] or b"" for name in _COORDINATES]
    except KeyError as error:
        raise ValueError(f"a parked record without the header {error.args[0]}") from error
    own = tuple([header for header in parked.headers if not header[0].startswith(PREFIX)])
    place = topic.decode("utf-8", "replace"), int(partition), int(offset)
    return Record(*place, int(timestamp), parked.key, parked.value, own)


def order_of(parked: Record) -> str:
    """The order that a parked record belongs to."""
    order_id = parked.header(ORDER_ID)
    return _key_order(parked) if order_id is None else order_id.decode("utf-8", "replace")


def _key_order(record: Record) -> str:
    return NO_KEY if record.key is None else record.key.decode("utf-8", "replace")


def is_original(parked: Record) -> bool:
    """Whether this is a parked record itself: no copy with a newer reason, and no trace of a discard.

    A copy taken for a record would be delivered a second time, after the records that followed it.
    """
    return _is_original(dict(parked.headers))


def _is_original(headers: Mapping[str, bytes | None]) -> bool:
    return headers.get(REPLAYS) is None and headers.get(DISCARDED_AT) is None


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    original: Record
    latest: Record  # the original, or its last copy with a newer reason


def parked_records(parked: Iterable[Record]) -> list[ParkedRecord]:
    """Parked records of one order in their sequence, each once; traces of discards left out.

    Records with the same source coordinates are one: it has the place of the last original and the newest reason.
    """
    originals: dict[tuple[str | None, str | None], Record] = {}
    latest: dict[tuple[str | None, str | None], Record] = {}
    for record in parked:
        if record.header(DISCARDED_AT) is not None:
            continue
        coordinates = header_text(record, SOURCE_TOPIC), header_text(record, SOURCE_OFFSET)
        latest[coordinates] = record
        if is_original(record):
            originals.pop(coordinates, None)
            originals[coordinates] = record
    return [ParkedRecord(record, latest[coordinates]) for coordinates, record in originals.items()]


def header_text(record: Record, name: str) -> str | None:
    value = record.header(name)
    return None if value is None else value.decode("utf-8", "replace")
