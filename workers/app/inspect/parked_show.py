"""A parked record for people: its event, why it is parked, and the request that would be sent now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import httpx

from workers.app.config.specs import SinkSpec
from workers.app.config.variables import read_variable
from workers.app.events.command_codec import OpenCodec
from workers.app.events.json_lines import record_json
from workers.core.delivery.outcome import Rejected, Skipped
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Event
from workers.core.parked.fence import SUPERSEDED
from workers.core.parked.headers import REPLAYS, ParkedRecord, header_text, source_record
from workers.core.record import Record
from workers.core.redaction import without_secrets
from workers.edges.avro.reader import Undecodable
from workers.edges.telemetry.headers import traceparent_of
from workers.vendors.contract import Call, Sink, Vendor, load

HIDDEN = "***"


class Redacted:
    """Implements `workers.vendors.contract.Credentials` with stars for every secret."""

    def __init__(self, vendor: Vendor, prefix: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._prefix = prefix
        self._variables = {variable.name: variable for variable in vendor.variables}

    def __getitem__(self, name: str) -> str:
        """The variable's value, or its default; stars for a secret."""
        variable = self._variables[name]
        if variable.secret:
            return HIDDEN
        return read_variable(self._environ, f"{self._prefix}_{name}") or variable.default or ""


def preview_sink(spec: SinkSpec, environ: Mapping[str, str]) -> Sink:
    """The worker's sink, for `prepare` and `preview` only."""
    vendor = load(spec.vendor)
    assert vendor.sink is not None, f"{spec.vendor} takes no orders: topics.yaml was checked for that"
    return vendor.sink(spec.options, Redacted(vendor, spec.credentials, environ))


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """Everything that is shown of one parked record."""

    facts: dict[str, Any]  # the JSON of `--json`
    value: bytes


def show_record(
    codec: OpenCodec, sink: Sink, parked: ParkedRecord, known: Tracked | None = None, *, superseded: bool = False
) -> ShownRecord:
    """Decode a parked record and prepare its request, if it may still be sent; raises `RegistryUnavailable`.

    ``known``: what the sink has of the order at the vendor, as a sink that tracks would have it for a replay.
    """
    original, latest = parked.original, parked.latest
    record = source_record(original)
    facts = {
        "offset": original.offset,
        "source": {"topic": record.topic, "partition": record.partition, "offset": record.offset},
        "source_timestamp": record_json(codec, record)["timestamp"],
        **{name: header_text(latest, f"relay-{name.replace('_', '-')}") for name in _HEADERS},
        "replays": int(header_text(latest, REPLAYS) or 0),
        "traceparent": traceparent_of(record),
        **_content(codec, sink, record, known),
    }
    if superseded:
        facts |= {"request": None, "not_sent": SUPERSEDED}
    return ShownRecord(facts, record.value or b"")


_HEADERS = ("reason", "detail", "http_status", "attempts", "parked_at")


def _content(codec: OpenCodec, sink: Sink, record: Record, known: Tracked | None) -> dict[str, Any]:
    """The event and its request; for an undecodable record its bytes, and where decoding fails."""
    found = record_json(codec, record)
    if "undecodable" in found or record.topic not in codec.codec.schemas:
        why = found.get("undecodable", f"topics.yaml has no schema for {record.topic}")
        value = record.value or b""
        return {
            "undecodable": why,
            "fault_at": codec.codec.fault_at(record.topic, value, record.headers),
            "hex": value.hex(),
        }
    try:
        event = codec.codec.decode(record.topic, record.value or b"", record.headers)
    except Undecodable as error:  # a tombstone's bytes: record_json has fetched every known schema
        return {"undecodable": str(error), "fault_at": 0, "hex": ""}
    return {"event": found["value"], **request_json(sink, event, known)}


def request_json(sink: Sink, event: Event, known: Tracked | None = None) -> dict[str, Any]:
    """The request that an event would cause now, or why it would cause none."""
    prepared = sink.prepare(event, known)
    match prepared:
        case Call():
            return {"request": _request(sink.preview(prepared))}
        case Skipped(reason=reason):
            return {"request": None, "not_sent": f"nothing to send: {reason}"}
        case Rejected(detail=detail):
            return {"request": None, "not_sent": f"invalid: {detail}"}
        case _:
            assert_never(prepared)


def _request(request: httpx.Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": without_secrets(str(request.url)),
        "headers": dict(request.headers.items()),
        "body": request.read().decode("utf-8", "replace"),
    }


def hex_lines(value: bytes, fault_at: int | None, around: int = 64) -> list[str]:
    """The bytes around the fault, sixteen a line, the faulty byte marked; ``around``: bytes on either side."""
    place = fault_at or 0
    start = max(0, place - around) // 16 * 16
    lines = []
    for row in range(start, min(len(value), place + around), 16):
        cells = [
            f"[{byte:02x}]" if row + column == fault_at else f" {byte:02x} "
            for column, byte in enumerate(value[row : row + 16])
        ]
        lines.append(f"{row:08x} {''.join(cells)}".rstrip())
    return lines
