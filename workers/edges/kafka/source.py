"""The only user of a group's `KafkaConsumer`: one thread that polls, pauses, resumes and commits, and decides nothing.

The thread hands batches to the owner's asyncio loop with ``call_soon_threadsafe`` and takes
orders from one queue. Joining a group happens only inside ``poll``: what is done between two polls
belongs to one generation, so an order that carries an older epoch is dropped and can commit nothing
for partitions that have been given away.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from workers.core.consume.stall_watchdog import StallAction, Watchdog
from workers.core.consume.start_position import NeedsOperator, decide_start
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed, open_client
from workers.edges.kafka.client_patches import DamagedError
from workers.edges.kafka.convert import describe, to_kafka, to_record
from workers.edges.kafka.errors import FATAL, in_words
from workers.edges.kafka.log_ends import open_ends
from workers.edges.kafka.owner import Assignment, Batch, Fetched, Member, Owner
from workers.edges.kafka.rebalance import RebalanceListener, Release
from workers.edges.kafka.topic_fit import unfit
from workers.edges.log import log

_IDLE_POLL_MS = 100
_AWAITED_POLL_MS = 10  # a merge waits for a position that may move without a record (transaction markers)
_SURVEY_EVERY = 1.0  # seconds between looks at every partition's end and position
_AFTER_ERROR = 0.5
_READS = 3  # of a damaged record, until its partition stops


@dataclass(slots=True)
class _Share:
    """What the thread knows of the present generation."""

    epoch: int = 0
    pending: set[Partition] = field(default_factory=set)  # assigned, start not decided yet
    started: set[Partition] = field(default_factory=set)
    commits: dict[Partition, Any] | None = None  # the group's, as the former owner left them


class KafkaSource:
    """A static member of one consumer group, in its own thread."""

    def __init__(
        self,
        member: Member,
        topics: tuple[str, ...],
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        *,
        beside: tuple[str, ...] = (),
    ) -> None:
        """``beside``: topics that the owner writes to, by the partition numbers of ``topics``."""
        self._member = member
        self._topics = topics
        self._beside = beside
        self._owner = owner
        self._loop = loop
        self._orders: queue.SimpleQueue[Callable[[KafkaConsumer], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._hand_overs = threading.Semaphore(2)  # a slow loop slows the thread, not the memory
        self._share = _Share()
        self._awaited: frozenset[Partition] = frozenset()
        self._surveyed = 0.0
        self._thread = threading.Thread(target=self._run, name=f"kafka-{member.group}", daemon=True)
        self._watchdog = Watchdog()
        self._committed: set[Partition] = set()  # by us, or by others before us
        self._damages: Counter[tuple[Partition, int]] = Counter()
        self._held_back: dict[Partition, float] = {}  # by an open transaction: since when, monotonic
        self.polled_at = monotonic()  # liveness reads it
        self.stuck: str | None = None  # a partition that delivers nothing, and that a new position did not mend

    def start(self) -> None:
        self._thread.start()

    async def stop(self, within: float) -> None:
        """Leave: revocation commits what is committable, then the thread ends; ``within`` seconds at most."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, within)

    # Orders from the loop; each carries the epoch that it was made for.

    def fetch_only(self, epoch: int, paused: frozenset[Partition], awaited: frozenset[Partition]) -> None:
        """Pause these partitions and fetch all others that have started."""

        def obey(consumer: KafkaConsumer) -> None:
            if epoch != self._share.epoch:
                return
            self._awaited = awaited
            consumer.pause(*_kafka(self._share.started & paused))
            consumer.resume(*_kafka(self._share.started - paused))

        self._orders.put(obey)

    def restart_at(self, epoch: int, at: Partition, offset: int) -> None:
        """Begin a stopped partition where a person decided."""

        def obey(consumer: KafkaConsumer) -> None:
            if epoch == self._share.epoch:
                consumer.seek(TopicPartition(*at), offset)
                self._share.started.add(at)

        self._orders.put(obey)

    def commit(self, epoch: int, offsets: Mapping[Partition, CommitPoint]) -> asyncio.Future[None]:
        """Commit (offset, metadata) for each partition; the future fails with `KafkaFailed`."""
        done: asyncio.Future[None] = self._loop.create_future()

        def obey(consumer: KafkaConsumer) -> None:
            if epoch != self._share.epoch:
                self._tell(_end, done, KafkaFailed("commit: the partitions have been given away since"))
                return
            try:
                consumer.commit(to_kafka(offsets), timeout_ms=10_000)
                self._committed.update(offsets)
            except KafkaError as error:
                self._tell(_end, done, KafkaFailed(f"commit: {describe(error)}"))
                if isinstance(error, FATAL):  # kafka-python tells a fenced member of it here, and nowhere else
                    raise
            else:
                self._tell(_end, done, None)

        self._orders.put(obey)
        if epoch != self._share.epoch:  # the thread may stand in a rebalance, and obeys nothing until its end
            _end(done, KafkaFailed("commit: the partitions are being given away"))
        return done

    # The thread.

    def _run(self) -> None:
        try:
            consumer = self._connect()
            if consumer is None:
                return
            try:
                while not self._stopping.is_set():
                    self._round(consumer)
            finally:
                consumer.close(autocommit=False, timeout_ms=5_000)
                self._ends.close()
        except Exception as error:  # noqa: BLE001 - a thread's death must be the process's death, whatever it was
            self._tell(self._owner.failed, in_words(error, self._member))

    def _connect(self) -> KafkaConsumer | None:
        """Wait for the cluster: a broker that is down at our start is no reason to crash."""
        while not self._stopping.is_set():
            self.polled_at = monotonic()  # liveness does not test Kafka
            try:
                self._ends = open_ends(self._member.connection)
                consumer = open_client(KafkaConsumer, self._member.options())
            except FATAL:
                raise
            except KafkaError as error:
                log.warning("kafka_unreachable", detail=describe(error))
                self._stopping.wait(1.0)
            else:
                consumer.subscribe(list(self._topics), listener=self._listener(consumer))
                self._await_topics(consumer)
                return consumer
        return None

    def _await_topics(self, consumer: KafkaConsumer) -> None:
        """Join only when all topics are known: a leader that knows of none gives every member nothing for a minute."""
        said = None
        while not self._stopping.is_set():
            self.polled_at = monotonic()
            wrong = unfit(consumer, self._topics, self._beside)
            if wrong is None:
                return
            if wrong != said:
                said = wrong
                log.error("topics_missing", detail=wrong)
            self._stopping.wait(_AFTER_ERROR)

    def _listener(self, consumer: KafkaConsumer) -> RebalanceListener:
        return RebalanceListener(
            consumer=consumer,
            on_assigned=self._on_assigned,
            on_release=self._on_release,
            on_lost=self._on_lost,
            within=self._member.release_within,
        )

    def _round(self, consumer: KafkaConsumer) -> None:
        self.polled_at = monotonic()
        self._obey(consumer)
        try:
            _let_go_of_drained(consumer)
            polled = consumer.poll(timeout_ms=_AWAITED_POLL_MS if self._awaited else _IDLE_POLL_MS)
            # First what was fetched: poll() has moved past it, so an error before it would lose it for good.
            self._hand_over(consumer, polled)
            if self._share.pending:
                self._begin(consumer)
        except FATAL:
            raise
        except OffsetOutOfRangeError as error:
            self._stop(consumer, error.args[0], NeedsOperator("the next record expired, or the topic was created anew"))
        except DamagedError as error:
            self._damaged(consumer, error)
        except KafkaError as error:
            log.warning("kafka_poll_failed", detail=describe(error))
            self._stopping.wait(_AFTER_ERROR)

    def _damaged(self, consumer: KafkaConsumer, error: DamagedError) -> None:
        """A copy may have been damaged on its way: it is fetched again before the partition stops."""
        log.error("record_damaged", partition=str(error.at), offset=error.offset, detail=error.why)
        self._damages[error.at, error.offset] += 1
        if self._damages[error.at, error.offset] < _READS:
            self._stopping.wait(_AFTER_ERROR)
            return
        del self._damages[error.at, error.offset]
        cause = f"the record at offset {error.offset} cannot be read ({error.why})"
        why = f"{cause}; have it repaired, or pass it over"
        self._stop(consumer, [TopicPartition(*error.at)], NeedsOperator(why, damaged=True))

    def _obey(self, consumer: KafkaConsumer) -> None:
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return
            order(consumer)

    def _begin(self, consumer: KafkaConsumer) -> None:
        """Decide where the new partitions start; those that cannot be asked are asked again next round."""
        share = self._share
        pending = sorted(share.pending)
        if share.commits is None:
            # Answered only when no transaction of a former owner is open on them any more (KIP-447, require_stable).
            share.commits = {
                at: consumer.committed(TopicPartition(*at), metadata=True, timeout_ms=5_000) for at in pending
            }
            self._tell(self._owner.previous_owner_fenced, share.epoch)
        bounds = self._ends.bounds(pending)
        for at in pending:
            if at not in bounds:
                continue
            committed = share.commits[at]
            if committed is not None:
                self._committed.add(at)
            earliest, end = bounds[at]
            start = decide_start(
                committed=None if committed is None else committed.offset,
                metadata=None if committed is None else committed.metadata,
                earliest=earliest,
                end=end,
                known=at in self._committed,
            )
            if not isinstance(start, NeedsOperator):
                consumer.seek(TopicPartition(*at), start.offset)
                self._share.started.add(at)
            self._share.pending.discard(at)
            self._tell(self._owner.begun, self._share.epoch, at, start)

    def _stop(self, consumer: KafkaConsumer, partitions: Iterable[Any], stop: NeedsOperator) -> None:
        for found in partitions:
            at = Partition(found.topic, found.partition)
            consumer.pause(found)
            self._share.started.discard(at)
            self._tell(self._owner.stopped, self._share.epoch, at, stop)

    def _hand_over(self, consumer: KafkaConsumer, polled: Mapping[Any, list[Any]]) -> None:
        batches = [_batch(consumer, found, records) for found, records in polled.items()]
        survey = monotonic() - self._surveyed >= _SURVEY_EVERY
        if survey:
            self._surveyed = monotonic()
        if not batches and not survey and not self._awaited:
            return
        share = self._share
        looked_at = share.started if survey else self._awaited & share.started
        with_records = {batch.at for batch in batches}
        batches += [_batch(consumer, TopicPartition(*at), []) for at in looked_at - with_records]
        asked = share.started if survey else self._rivals(with_records)
        ends = self._ends.after_fetch(asked)
        if survey:
            self._look_for_held_back(consumer, batches, ends)
            self._watch(consumer, batches, ends)
        fetched = Fetched(share.epoch, batches, ends, self._ends.unreachable | self._held_back)
        self._hand_overs.acquire()
        self._tell(self._take, fetched)

    def _look_for_held_back(self, consumer: KafkaConsumer, batches: list[Batch], ends: Mapping[Partition, int]) -> None:
        """Find partitions that somebody's open transaction holds back: they cannot be fetched further, nor stall."""
        short = {batch.at: batch.position for batch in batches if batch.position < ends.get(batch.at, 0)}
        try:
            stable = consumer.end_offsets(_kafka(short), timeout_ms=1_000) if short else {}
        except KafkaError as error:  # what has been fetched must be handed over all the same
            log.debug("stable_ends_unknown", detail=describe(error))
            return
        held = {Partition(at.topic, at.partition) for at, end in stable.items() if short[Partition(*at)] >= end}
        self._held_back = {at: self._held_back.get(at, monotonic()) for at in held}

    def _watch(self, consumer: KafkaConsumer, batches: list[Batch], ends: Mapping[Partition, int]) -> None:
        """Look for partitions that have silently stopped delivering."""
        paused = {Partition(at.topic, at.partition) for at in consumer.paused()}
        for batch in batches:
            at = batch.at
            if at not in ends or at in self._held_back:
                continue
            verdict = self._watchdog.look(
                at, position=batch.position, end=ends[at], paused=at in paused, now=monotonic()
            )
            if verdict is StallAction.RESEEK:
                log.warning("partition_stalled", partition=str(at), position=batch.position, end=ends[at])
                consumer.seek(TopicPartition(*at), batch.position)
            elif verdict is StallAction.RESTART:
                self.stuck = str(at)

    def _rivals(self, fetched: set[Partition]) -> set[Partition]:
        """The same partition numbers of the other topics: what a merge must compare with."""
        numbers = {at.number for at in fetched}
        return {at for at in self._share.started if at.number in numbers}

    def _take(self, fetched: Fetched) -> None:
        self._hand_overs.release()
        self._owner.fetched(fetched)

    # Called on the client's IO thread while this one stands in poll(), or at close.

    def _on_assigned(self, partitions: frozenset[Partition], group: Any) -> None:
        self._share = _Share(self._share.epoch + 1, pending=set(partitions))
        self._watchdog.forget()
        self._awaited = frozenset()
        self._tell(self._owner.assigned, Assignment(self._share.epoch, partitions, group))

    def _on_release(self, release: Release) -> None:
        release.epoch = self._end_share()
        self._tell(self._owner.release, release)

    def _on_lost(self) -> None:
        self._tell(self._owner.lost, self._end_share())

    def _end_share(self) -> int:
        """Nothing more is done for the present epoch: a commit still in the queue would move the release's back."""
        epoch = self._share.epoch
        self._share = _Share(epoch + 1)
        return epoch

    def _tell(self, what: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # the loop has ended: the process is leaving, and nobody is left to tell
            self._stopping.set()


def _end(done: asyncio.Future[None], failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)


def _let_go_of_drained(consumer: KafkaConsumer) -> None:
    """Empty the fetcher's in-line slot when what stands there has been used up.

    kafka-python 3.0.12 keeps what a paused partition had fetched, and puts it back only while that slot is None; but
    it leaves a used-up batch there. The resumed partition then counts as having data, is not fetched, and delivers
    nothing any more: a merge that waits for it would wait for ever.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - there is no public way
    used = getattr(fetcher, "_next_partition_records", None)
    if used is not None and not used:
        fetcher._next_partition_records = None  # noqa: SLF001 - the same


def _kafka(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*at) for at in partitions]


def _batch(consumer: KafkaConsumer, found: TopicPartition, records: list[Any]) -> Batch:
    at = Partition(found.topic, found.partition)
    try:
        position = consumer.position(found, timeout_ms=0)
    except KafkaError:  # the records must be handed over all the same
        position = None
    if position is None:
        position = records[-1].offset + 1 if records else 0
    return Batch(at, [to_record(one) for one in records], position)
