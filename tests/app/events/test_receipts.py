"""Receipts as Kafka records, and back."""

import time
from pathlib import Path

import pytest

from workers.app.events.receipts import MOST_BYTES, ReceiptWriter, read_receipts, receipt_records
from workers.core.receipt import LONGEST_ORDER_ID, Receipt
from workers.core.record import Partition
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic
from workers.edges.kafka.transactions import Outgoing

TOPIC = "ecdp-receipts"
AT = Partition(TOPIC, 3)
WRITER = ReceiptWriter("ecdp-sink", "host-1")
CODEC = Codec({TOPIC: load_topic(TOPIC, Path(__file__).parents[3] / f"schemas/{TOPIC}.avsc")}, time.monotonic)
DELIVERED = Receipt("A-1", "order-created", 7, 1_795_820_249_997, "delivered", None, 201, 2, "OR-A-1")


def encoded(*receipts: Receipt) -> list[Outgoing]:
    return receipt_records(CODEC, AT, WRITER, receipts, 1_795_820_250_123)


def read_back(*receipts: Receipt) -> list[Receipt]:
    return [one for record in encoded(*receipts) for one in read_receipts(CODEC, TOPIC, record.value or b"")]


def test_receipts_of_a_commit_are_one_record_without_a_key_that_reads_back() -> None:
    skipped = Receipt("B", "order-status", 8, 5, "skipped", "no delivery")
    (record,) = encoded(DELIVERED, skipped)
    assert (record.partition, record.key) == (AT, None)
    content = CODEC.decode_any(TOPIC, record.value or b"")
    assert (content["worker"], content["instance"]) == WRITER
    assert read_back(DELIVERED, skipped) == [DELIVERED, skipped]


def test_a_batch_is_a_cloud_event_of_its_sink() -> None:
    headers = dict(encoded(DELIVERED)[0].headers)
    assert headers["ce_type"] == b"orderrelay.v1.ReceiptBatch"
    assert (headers["ce_subject"], headers["ce_time"]) == (b"ecdp-sink", b"2026-11-27T22:57:30.123Z")


@pytest.mark.parametrize("order_id", ["", "x" * (LONGEST_ORDER_ID + 1)])
def test_an_order_id_that_is_missing_or_too_long_is_null(order_id: str) -> None:
    (record,) = encoded(DELIVERED._replace(order_id=order_id))
    assert CODEC.decode_any(TOPIC, record.value or b"")["receipts"][0]["order_id"] is None


def test_an_operators_reason_is_cut_and_need_not_be_utf_8() -> None:
    (read,) = read_back(DELIVERED._replace(reason="\udcff" + "y" * 10_000))
    assert read.reason == "?" + "y" * 499


def test_receipts_beyond_what_one_record_may_hold_are_several_records_in_sequence() -> None:
    receipts = [DELIVERED._replace(order_id="x" * 1000, offset=offset) for offset in range(2_000)]
    records = encoded(*receipts)
    assert len(records) > 1
    assert max(len(record.value or b"") for record in records) <= MOST_BYTES
    assert read_back(*receipts) == receipts


def test_no_receipts_are_no_record() -> None:
    assert encoded() == []
