"""Receipts as records of a sink's receipts topic, and back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from workers.core.parked.fence import NO_KEY
from workers.core.receipt import LONGEST_ORDER_ID, Receipt
from workers.core.record import Partition
from workers.edges.avro.codec import Codec
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.transactions import Outgoing
from workers.edges.telemetry.tracing import UNTRACED, SendSpan

MOST_BYTES: Final = 512 * 1024
"""Of the receipts in one Kafka record, about: Kafka's default ``max.message.bytes`` is 1 MiB."""

_LONGEST_TEXT: Final = 500  # characters of a reason or a vendor's id
_LONGEST_TEXTS: Final = LONGEST_ORDER_ID + 2 * _LONGEST_TEXT
_RECEIPT_BYTES: Final = 64  # what a receipt takes without its texts, at most
_CHARACTER_BYTES: Final = 4  # in UTF-8, at most


class ReceiptWriter(NamedTuple):
    """Who writes receipts: the sink and its process, or who moved the sink's offsets."""

    worker: str
    instance: str


def receipt_records(
    codec: Codec, at: Partition, writer: ReceiptWriter, receipts: Sequence[Receipt], now_ms: int
) -> list[Outgoing]:
    """Encode the receipts of one partition number as one Kafka record, or as several where one would be too large.

    ``at``: the receipts topic with the partition number of the sources. With a registry, `Codec.prepare` must have
    been awaited for the topic.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    name = codec.schemas[at.topic].today.tree.name
    return [
        Outgoing(
            at,
            None,
            codec.encode(at.topic, {"worker": writer.worker, "instance": writer.instance, "receipts": batch}),
            event_headers(name, {}, writer.worker, now),
        )
        for batch in _batches(iter(receipts))
    ]


@dataclass(frozen=True, slots=True)
class ReceiptDraft:
    """Receipts by partition number; a copy, which the producer's thread encodes.

    Whoever writes them ends their ``span``.
    """

    codec: Codec
    topic: str
    writer: ReceiptWriter
    now_ms: int
    receipts: Mapping[int, Sequence[Receipt]]
    span: SendSpan = UNTRACED  # one for all, of a trace of its own: it would cost more on that of each order

    def records(self) -> list[Outgoing]:
        """One Kafka record for each partition number, as a rule."""
        return [
            record._replace(headers=self.span.forwarded(record.headers))
            for number, receipts in self.receipts.items()
            for record in receipt_records(self.codec, Partition(self.topic, number), self.writer, receipts, self.now_ms)
        ]


def read_receipts(codec: Codec, topic: str, value: bytes) -> list[Receipt]:
    """Decode a record of a receipts topic; raises `Undecodable` and `UnknownSchema`."""
    return [
        Receipt(
            one["order_id"] or "",
            one["topic"],
            one["offset"],
            one["finished_at"],
            one["outcome"],
            one["reason"],
            one["http_status"],
            one["attempts"],
            one["vendor_ref"],
        )
        for one in codec.decode_any(topic, value)["receipts"]
    ]


def _batches(receipts: Iterator[Receipt]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for receipt in receipts:
        own = _size(receipt)
        if batch and size + own > MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(_row(receipt))
        size += own
    if batch:
        yield batch


def _row(receipt: Receipt) -> dict[str, Any]:
    """On the path of each record: a literal costs a third of what changing a copy would."""
    order_id, reason, vendor_ref = receipt.order_id, receipt.reason, receipt.vendor_ref
    return {
        "order_id": order_id if 0 < len(order_id) <= LONGEST_ORDER_ID and order_id != NO_KEY else None,
        "topic": receipt.topic,
        "offset": receipt.offset,
        "finished_at": receipt.finished_at_ms,
        "outcome": receipt.outcome,
        "reason": None if reason is None else _text(reason),
        "http_status": receipt.http_status,
        "attempts": receipt.attempts,
        "vendor_ref": None if vendor_ref is None else _text(vendor_ref),
    }


def _text(text: str) -> str:
    """An operator's words may hold bytes of his terminal that are no UTF-8."""
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode()


def _size(receipt: Receipt) -> int:
    characters = len(receipt.order_id) + len(receipt.reason or "") + len(receipt.vendor_ref or "")
    return _RECEIPT_BYTES + len(receipt.topic) + _CHARACTER_BYTES * min(characters, _LONGEST_TEXTS)
