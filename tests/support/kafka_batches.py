"""Record batches as a broker sends them, and what kafka-python's fetcher makes of them."""

from typing import Any

from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

AT = TopicPartition("orders", 0)
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(*headers: tuple[str, bytes | None], values: tuple[bytes, ...] = (b"value",), codec: int = 0) -> bytes:
    """One batch of these values; each record has these headers."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=10**9,
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=1, key=b"k", value=value, headers=list(headers))
    return bytes(builder.build())


def fetched(packed: bytes) -> Any:
    """What a fetcher takes the records of a fetch out of."""
    return Fetcher.PartitionRecords(0, AT, MemoryRecords(packed))
