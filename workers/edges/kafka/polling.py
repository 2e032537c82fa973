"""What the consumer thread fetches: it hands the records over, and surveys all partitions once a second."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic, time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.core.consume.stall_watchdog import StallAction
from workers.core.consume.start_position import NeedsOperator
from workers.core.record import Partition
from workers.edges.kafka.client_patches.connections import topic_ids
from workers.edges.kafka.client_patches.fetches import DamagedError, release_drained_slot, wait_in_fetches
from workers.edges.kafka.convert import to_partition, to_record, topic_partitions
from workers.edges.kafka.errors import describe
from workers.edges.kafka.owner import Batch, Fetched, OwnedThread, Owner
from workers.edges.kafka.rebalance import Share, Shares
from workers.edges.kafka.starting import Clients
from workers.edges.log import log

POLL_MS = 100  # a command of the owner's waits so long
QUIET_POLL_MS = 1_000  # records end a poll at once, and a quiet worker has few commands; each poll costs
QUIET_AFTER_S = 2.0
AWAITED_POLL_MS = 10  # a merge waits for a position that may move without a record (transaction markers)
SURVEY_INTERVAL_S = 1.0
QUIET_SURVEY_INTERVAL_S = 2.0
STABLE_ENDS_TIMEOUT_MS = 1_000
GONE = NeedsOperator("the next record expired or was cut off, or the topic was created again")
HAND_OVERS = 2  # not taken yet by the loop, at most: a slow loop slows the thread down, and memory stays bounded
MAX_READS = 3  # of a damaged record, before its partition stops


class Polling:
    """Polls the consumer and hands the records to the owner."""

    def __init__(self, owner: Owner, shares: Shares, thread: OwnedThread) -> None:
        self._owner = owner
        self._shares = shares
        self._thread = thread
        self._hand_overs = threading.Semaphore(HAND_OVERS)
        self._survey_due = 0.0  # monotonic
        self._busy_at = monotonic()  # when records came last, or partitions that had not begun
        self._damaged_reads: Counter[tuple[Partition, int]] = Counter()  # by partition and offset
        self._topic_ids: dict[str, Any] = {}  # as first seen: a topic that is created again has another
        self.stuck: str | None = None  # a partition that delivers nothing, and that a new position did not mend

    def poll(self, clients: Clients) -> None:
        """Fetch once and hand over what came; raises kafka-python's errors."""
        release_drained_slot(clients.consumer)
        self._stop_recreated(clients.consumer)
        wait_in_fetches(clients.consumer, QUIET_POLL_MS if self._is_quiet else 0)
        polled = clients.consumer.poll(timeout_ms=self._timeout_ms(self._shares.current))
        if polled or self._shares.current.pending:
            self._busy_at = monotonic()
        self._hand_over(clients, self._shares.current, polled)

    def _timeout_ms(self, share: Share) -> int:
        if share.awaited:
            return AWAITED_POLL_MS
        return QUIET_POLL_MS if self._is_quiet else POLL_MS

    @property
    def _is_quiet(self) -> bool:
        return monotonic() - self._busy_at > QUIET_AFTER_S

    def _stop_recreated(self, consumer: KafkaConsumer) -> None:
        """Its new records may reach up to our position: those before it would never be read."""
        for topic, topic_id in topic_ids(consumer).items():
            if self._topic_ids.setdefault(topic, topic_id) == topic_id:
                continue
            self._topic_ids[topic] = topic_id
            for partition in [one for one in self._shares.current.started if one.topic == topic]:
                self.stop_partition(consumer, partition, GONE)

    def _hand_over(self, clients: Clients, share: Share, polled: Mapping[Any, list[Any]]) -> None:
        batches = [_batch(clients.consumer, found, records) for found, records in polled.items()]
        survey = monotonic() >= self._survey_due
        if not batches and not survey and not share.awaited:
            return
        with_records = {batch.partition for batch in batches}
        looked_at = share.started if survey else share.awaited & share.started
        batches += [_batch(clients.consumer, TopicPartition(*one), []) for one in looked_at - with_records]
        asked_at_ms = int(time() * 1000)
        ends = clients.ends.after_fetch(share.started if survey else _co_partitions(share, with_records))
        if survey:
            self._survey_due = monotonic() + (QUIET_SURVEY_INTERVAL_S if self._is_quiet else SURVEY_INTERVAL_S)
            _find_blocked(clients.consumer, share, batches, ends)
            self._watch_for_stalls(clients.consumer, share, batches, ends)
        fetched = Fetched(share.epoch, batches, ends, clients.ends.unreachable | share.blocked, asked_at_ms)
        self._hand_overs.acquire()
        self._thread.call(self._taken, fetched)

    def _taken(self, fetched: Fetched) -> None:
        """In the owner's loop."""
        self._hand_overs.release()
        self._owner.fetched(fetched)

    def _watch_for_stalls(
        self, consumer: KafkaConsumer, share: Share, batches: Iterable[Batch], ends: Mapping[Partition, int]
    ) -> None:
        """Find partitions that have silently stopped delivering, and set their position again."""
        paused = {to_partition(one) for one in consumer.paused()}
        for batch in batches:
            partition = batch.partition
            if partition not in ends or partition in share.blocked:
                continue
            action = share.watchdog.look(
                partition,
                position=batch.position,
                end=ends[partition],
                paused=partition in paused,
                now=monotonic(),
            )
            if action is StallAction.RESEEK:
                log.warning("partition_stalled", partition=str(partition), position=batch.position, end=ends[partition])
                consumer.seek(TopicPartition(*partition), batch.position)
            elif action is StallAction.RESTART:
                self.stuck = str(partition)

    def stop_partition(self, consumer: KafkaConsumer, partition: Partition, stop: NeedsOperator) -> None:
        """Fetch nothing more of it until the operator has decided."""
        share = self._shares.current
        if partition not in share.started:
            return  # it has been given away, or is stopped already
        share.started.discard(partition)
        consumer.pause(TopicPartition(*partition))
        consumer.seek(TopicPartition(*partition), 0)  # its old position would raise the error at every poll
        self._thread.call(self._owner.stopped, share.epoch, partition, stop)

    def damaged(self, consumer: KafkaConsumer, error: DamagedError) -> bool:
        """Whether to fetch the record again: its bytes may have been damaged on the way. Else its partition stops."""
        log.error("record_damaged", partition=str(error.partition), offset=error.offset, detail=error.why)
        place = error.partition, error.offset
        self._damaged_reads[place] += 1
        if self._damaged_reads[place] < MAX_READS:
            return True
        del self._damaged_reads[place]
        why = f"the record at offset {error.offset} cannot be read ({error.why}); have it repaired, or pass it over"
        self.stop_partition(consumer, error.partition, NeedsOperator(why, damaged=True))
        return False


def _co_partitions(share: Share, fetched: Iterable[Partition]) -> set[Partition]:
    """The same partition numbers of all topics: the merge compares records of these with each other."""
    numbers = {partition.number for partition in fetched}
    return {partition for partition in share.started if partition.number in numbers}


def _find_blocked(
    consumer: KafkaConsumer, share: Share, batches: Iterable[Batch], ends: Mapping[Partition, int]
) -> None:
    """Find partitions that an open transaction blocks: no consumer can fetch further, so they are not stalled."""
    short = {batch.partition: batch.position for batch in batches if batch.position < ends.get(batch.partition, 0)}
    try:
        stable = consumer.end_offsets(topic_partitions(short), timeout_ms=STABLE_ENDS_TIMEOUT_MS) if short else {}
    except KafkaError as error:  # what has been fetched must be handed over all the same
        log.debug("stable_ends_unknown", detail=describe(error))
        return
    blocked = [to_partition(one) for one, end in stable.items() if short[to_partition(one)] >= end]
    share.blocked = {partition: share.blocked.get(partition, monotonic()) for partition in blocked}


def _batch(consumer: KafkaConsumer, found: TopicPartition, records: list[Any]) -> Batch:
    try:
        position = consumer.position(found, timeout_ms=0)
    except KafkaError:  # the records must be handed over all the same
        position = None
    if position is None:
        position = records[-1].offset + 1 if records else 0
    return Batch(to_partition(found), [to_record(one) for one in records], position)
