"""The faults of kafka-python 3.0.12 that the relay mends or works around, and its every reach into that client.

Each part states the fault, its place in kafka-python, and what it costs the relay. ``test_client_patches.py`` shows
each fault on the client as it is released: when a release mends one, its test fails, and the part can go. The parts
rely on names that kafka-python does not promise, so `patch_client` refuses a release that has not been checked.

Three more faults need no reach into the client, and are met where they would harm:
* one leader that does not answer fails a request for the ends of all partitions: `Ends` asks one by one;
* partitions stop delivering silently (issues 3106 and 3131 of github.com/dpkp/kafka-python): `stall_watchdog`;
* ``flush`` fails when a batch with one record that is too large is split, and hides which it was: `Transactions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import kafka
from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl import get_sasl_mechanism, register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from workers.core.record import Headers, Partition

T = TypeVar("T")

LOWEST, BELOW = (3, 0, 12), (3, 1, 0)
"""The releases that the patches were made for: from ``LOWEST`` to before ``BELOW``."""


def patch_client(installed: str = kafka.__version__) -> None:
    """Change kafka-python as this module says; a second call changes nothing.

    Raises `RuntimeError` for a release that the patches were not made for.
    """
    if not LOWEST <= tuple(int(number) for number in re.findall(r"\d+", installed)[:3]) < BELOW:
        raise RuntimeError(
            f"kafka-python {installed} is installed, but the relay's patches were made for >=3.0.12,<3.1: "
            "install what requirements.lock names, or go through workers/edges/kafka/client_patches.py first"
        )
    memory_records.DefaultRecordBatch = _Batch
    Fetcher.PartitionRecords.take = _take_or_drop
    for name, mechanism in _MECHANISMS.items():
        if get_sasl_mechanism(name) is mechanism:
            register_sasl_mechanism(name, _asks_for_password(mechanism), overwrite=True)


# A header key that is no UTF-8. No broker checks a key, and kafka-python decodes it strictly (default_records.py,
# `_read_msg`): the consumer raises at such a record, again and again, and every record behind it waits for ever.
# Such a key is read as a `HeaderKey`, which keeps its bytes. No upstream issue is known.


class HeaderKey(str):
    """A header key that is no UTF-8: escaped where it is shown, its own bytes where it is written again."""

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> HeaderKey:
        key = cls(raw.decode(errors="backslashreplace"))
        key.raw = raw
        return key

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - as str has it
        """The bytes as they came: kafka-python calls this to write a header."""
        return self.raw


class _Slice(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        try:
            return super().decode(encoding, errors)
        except UnicodeDecodeError:
            return HeaderKey.of(bytes(self))


class _LenientBuffer(bytearray):
    """A batch's bytes whose slices decode to a `HeaderKey` where they are no UTF-8."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Slice(found) if isinstance(index, slice) else found


class _Batch(DefaultRecordBatch):  # type: ignore[misc] # kafka-python has no types
    """Reads as kafka-python does, at its speed, until a header key is no UTF-8."""

    __slots__ = ()
    _buffer: Any  # kafka-python's own slot

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:  # a header key: nothing else of a record is decoded, and no position has moved
            self._buffer = _LenientBuffer(self._buffer)
            return super()._read_msg()


# A record that cannot be read. After an error in the middle of a fetch (a wrong checksum, a codec's error),
# `Fetcher.PartitionRecords.take` leaves its used-up iterator in place: it counts as full, gives nothing, and
# `Fetcher.fetched_records` asks it again without end. ``poll`` does not return, and no partition of the worker goes
# on. So the rest of the fetch is dropped, and the error says where it happened. No upstream issue is known.

RELEASED_TAKE = Fetcher.PartitionRecords.take
"""As kafka-python released it."""


class DamagedError(KafkaError):  # type: ignore[misc] # kafka-python has no types
    """The record at ``offset``, or a batch that begins there, cannot be read."""

    def __init__(self, partition: Partition, offset: int, why: str) -> None:
        super().__init__(f"{partition} cannot be read at offset {offset}: {why}")
        self.partition = partition
        self.offset = offset
        self.why = why


def _take_or_drop(records: Any, n: int | None = None) -> Any:
    try:
        return RELEASED_TAKE(records, n)
    except Exception as error:  # a wrong checksum or structure, a codec's own error
        partition = Partition(records.topic_partition.topic, records.topic_partition.partition)
        records.drain()
        raise DamagedError(partition, records.next_fetch_offset, f"{type(error).__name__}: {error}"[:300]) from error


# A password that changes. kafka-python takes the password once, with the client's options, and uses it for every
# later login. Its registry of mechanisms lets each login ask for the password of the moment instead: a password that
# was changed in its file needs no restart. A missing feature, not a fault; no upstream issue is known.

_PASSWORD = "sasl_plain_password"  # noqa: S105 - the option's name
_MECHANISMS = {
    "PLAIN": SaslMechanismPlain,
    "SCRAM-SHA-256": SaslMechanismScram,
    "SCRAM-SHA-512": SaslMechanismScram,
}


def _asks_for_password(mechanism: Callable[..., Any]) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        password = options.get(_PASSWORD)
        return mechanism(**options | {_PASSWORD: password() if callable(password) else password})

    return make


# A header without a value. Kafka's protocol has them, and kafka-python's builder writes them, but
# `KafkaProducer.send` refuses every value that is not bytes, and its sum of the headers' sizes, made only for a true
# list of headers, fails on None: a record with such a header could not be parked. Upstream knows of the check (pull
# request 2004 made its consumer read such headers, "because we explicitly assert types" in the producer).


class _Headers(list[Any]):
    """Headers that count as false: kafka-python sums up the sizes only of headers that are true."""

    def __bool__(self) -> bool:
        return False


class _NullHeader(tuple[str, None]):
    """A header without a value: empty by index, as the check looks, and None when unpacked, as it is written."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        return b"" if index == 1 else super().__getitem__(index)


def producer_headers(headers: Headers) -> list[Any]:
    """Headers as `KafkaProducer.send` takes them, null values kept."""
    if all(value is not None for _, value in headers):
        return list(headers)
    return _Headers(item if item[1] is not None else _NullHeader((item[0], None)) for item in headers)


# A constructor that fails. `KafkaConsumer`, `KafkaProducer` and `KafkaAdminClient` start an IO thread and then connect;
# when that fails, the thread runs on, and the object that could stop it was never made: a worker that tries again for
# an hour would have hundreds of threads. No upstream issue is known.


def construct(make: Callable[..., T], options: Mapping[str, Any]) -> T:
    """Make a client; raises what its constructor raises, and leaves no thread behind."""
    made: list[Any] = []

    def keep(**config: Any) -> Any:
        made.append(KafkaNetClient(**config))
        return made[-1]

    try:
        return make(**options, kafka_client=keep)
    except BaseException:
        for client in made:
            client.close()
            client._manager._net.stop()  # noqa: SLF001 - no public way: the object that would stop it was never made
        raise


# A resumed partition that is not fetched. `Fetcher.fetched_records` puts back what a paused partition had fetched only
# while its in-line slot is None, but leaves a used-up batch in that slot. The resumed partition then counts as having
# data, is not fetched, and delivers nothing more: a merge that waits for it would wait for ever. The fault came with
# upstream's pull request 2981 (KAFKA-7548).


def release_drained_slot(consumer: KafkaConsumer) -> None:
    """Empty the fetcher's in-line slot when its batch has been used up; to be called before each poll."""
    fetcher = consumer._fetcher  # noqa: SLF001 - there is no public way
    used = getattr(fetcher, "_next_partition_records", None)
    if used is not None and not used:
        fetcher._next_partition_records = None  # noqa: SLF001 - the same


# A join that is forgotten. The group's leader revokes its partitions because the topics' metadata differ from those of
# its assignment; when they agree again before it has joined (a metadata answer during a topic's creation),
# `ConsumerCoordinator.need_rejoin` is false, and no join follows: a member without partitions for good. No upstream
# issue is known.


def keep_join_requested(consumer: KafkaConsumer) -> None:
    """Make the join follow, whatever the metadata say then; to be called in each revocation."""
    consumer._coordinator.request_rejoin()  # noqa: SLF001 - no public way
