"""JSON lines become events with their key and headers; a bad line is named by its number and its fault."""

import json
from pathlib import Path
from typing import Any

import pytest

from workers.app.events.json_lines import Bad, Ready, read_events
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load

CODEC = Codec(load(Path(__file__).parents[3] / "schemas"), lambda: 0.0)
STATUS: dict[str, Any] = {
    "event_id": "e-1",
    "occurred_at": "2026-03-02T08:33:00.001Z",
    "order_id": "A-1",
    "status": "paid",
}


def read(*lines: bytes, topic: str = "order-status", max_bytes: int = 1_000_000) -> list[Ready | Bad]:
    return list(read_events(CODEC, topic, lines, max_bytes))


def test_an_event_has_its_key_value_and_headers() -> None:
    (event,) = read(json.dumps(STATUS).encode())
    assert isinstance(event, Ready)
    assert event.key == b"A-1"
    assert CODEC.decode("order-status", event.value).order_id == "A-1"
    assert dict(event.headers)["ce_subject"] == b"A-1"


def test_blank_lines_and_a_byte_order_mark_are_skipped_and_lines_keep_their_number() -> None:
    line = json.dumps(STATUS).encode()
    assert [event.line for event in read(b"\xef\xbb\xbf" + line, b"  \n", line)] == [1, 3]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{", "not JSON"),
        (json.dumps({**STATUS, "status": "lost"}).encode(), "status: wanted one of"),
        (json.dumps({**STATUS, "order_id": ""}).encode(), "the order id is empty"),
    ],
)
def test_a_bad_line_is_named_by_its_fault(line: bytes, fault: str) -> None:
    (bad,) = read(line)
    assert isinstance(bad, Bad)
    assert fault in bad.fault


def test_rows_that_only_the_relay_writes_are_refused() -> None:
    """Their key is the relay's own, so no publisher can send them."""
    (bad,) = read(b'{"kind": "cursor", "version": 1, "body": ""}', topic="dcl-poll-state")
    assert isinstance(bad, Bad)
    assert "only the relay writes" in bad.fault


def test_an_event_larger_than_its_topic_takes_is_bad() -> None:
    line = json.dumps(STATUS).encode()
    (ready,) = read(line)
    assert isinstance(ready, Ready)
    (bad,) = read(line, max_bytes=len(ready.value))
    assert isinstance(bad, Bad)
    assert f"the topic takes {len(ready.value)}" in bad.fault
