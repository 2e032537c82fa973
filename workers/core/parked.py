"""What a parked record says of itself, and the row that keeps its order's fence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from workers.core.fence import Fence, ParkReason
from workers.core.record import Headers, Record

PREFIX = "relay-"
_ROW_VERSION = 1


@dataclass(frozen=True, slots=True)
class Parking:
    """Why a record is parked."""

    reason: ParkReason
    detail: str  # one line, masked
    status: int | None = None  # HTTP
    attempts: int = 0


def parked_headers(record: Record, sink: str, parking: Parking, now_ms: int) -> Headers:
    """The record's own headers, then where it came from and why it is here.

    A record that is parked again after a replay keeps the coordinates of its first source.
    """
    own = tuple(header for header in record.headers if not header[0].startswith(PREFIX))
    source = {
        "relay-source-topic": record.topic,
        "relay-source-partition": str(record.partition),
        "relay-source-offset": str(record.offset),
        "relay-source-timestamp": str(record.timestamp_ms),
    }
    why = {
        "relay-reason": parking.reason.value,
        "relay-detail": parking.detail,
        "relay-http-status": "" if parking.status is None else str(parking.status),
        "relay-attempts": str(parking.attempts),
        "relay-parked-at": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds"),
    }
    ours = {"relay-sink": sink} | source | why
    return own + tuple((name, text.encode("utf-8", "replace")) for name, text in ours.items())


def source_record(parked: Record) -> Record:
    """The record as its source had it, from a parked one's bytes and headers; raises `ValueError`."""
    coordinates = {
        name: _text(parked, f"relay-source-{name}") for name in ("topic", "partition", "offset", "timestamp")
    }
    own = tuple(header for header in parked.headers if not header[0].startswith(PREFIX))
    return Record(
        coordinates["topic"],
        int(coordinates["partition"]),
        int(coordinates["offset"]),
        int(coordinates["timestamp"]),
        parked.key,
        parked.value,
        own,
    )


def fence_row(fence: Fence) -> bytes:
    """The value of the order's row in the parked state; its key is the order id."""
    row = {
        "version": _ROW_VERSION,
        "kind": "fence",
        "reason": fence.reason.value,
        "detail": fence.detail,
        "since": fence.since_ms,
        "records": fence.records,
        "first": fence.first,
        "last": fence.last,
        "opens": fence.opens,
        "mended": fence.mended,
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks of the worker that owns the partition: to begin a stopped topic at an offset."""

    topic: str
    offset: int
    expires_ms: int  # milliseconds since 1970: an old command must not run after a restart

    @staticmethod
    def key(command_id: str) -> bytes:
        """The row's key; no order id has a control character, so it never meets a fence."""
        return f"\0{command_id}".encode()


def command_row(command: Command) -> bytes:
    row = {
        "version": _ROW_VERSION,
        "kind": "offsets",
        "topic": command.topic,
        "offset": command.offset,
        "expires": command.expires_ms,
    }
    return json.dumps(row, separators=(",", ":")).encode()


def read_row(value: bytes) -> Fence | Command:
    """Read a row of the parked state; raises `ValueError` when it is not ours."""
    row = json.loads(value)
    if not isinstance(row, dict) or row.get("version") != _ROW_VERSION:
        raise ValueError("a row of an unknown version")
    try:
        if row["kind"] == "offsets":
            return Command(str(row["topic"]), int(row["offset"]), int(row["expires"]))
        return Fence(
            reason=ParkReason(row["reason"]),
            detail=str(row["detail"]),
            since_ms=int(row["since"]),
            records=int(row["records"]),
            first=row["first"],
            last=row["last"],
            opens=bool(row["opens"]),
            mended=bool(row["mended"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"a row that lacks {error}") from error


def _text(record: Record, name: str) -> str:
    value = record.header(name)
    if value is None:
        raise ValueError(f"a parked record without the header {name}")
    return value.decode("utf-8", "replace")
