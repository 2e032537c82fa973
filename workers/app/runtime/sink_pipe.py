"""Puts a sink's parts together: source -> intake -> lanes -> sender -> outcomes -> finisher -> commits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workers.app.config.specs import SinkSpec
from workers.app.parked.commands import ParkedCommands, ParkedState
from workers.app.parked.discard import Discards
from workers.app.parked.replay import Replays
from workers.app.sink.assignment import Ownership, SinkAssignment
from workers.app.sink.commit.commits import Commits
from workers.app.sink.commit.receipts import Appending, Receipts
from workers.app.sink.context import SinkContext
from workers.app.sink.fetching import Fetching
from workers.app.sink.finisher import Finisher
from workers.app.sink.intake import Intake
from workers.app.sink.outcomes import Outcomes
from workers.app.sink.sender import Sender
from workers.app.sink.shard import open_shard
from workers.app.sink.stats import SinkStats
from workers.app.sink.tracked_orders import TrackedOrders
from workers.app.sink.wakeups import Wakeups
from workers.core.consume.lanes import Lanes
from workers.core.delivery.gate import Gate, GatePolicy
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.owner import Assignment, Member, Owner
from workers.edges.kafka.parked_reader import ParkedReader
from workers.edges.kafka.publisher import Appender
from workers.edges.kafka.source import KafkaSource
from workers.edges.kafka.table import KafkaTable
from workers.edges.kafka.transactions import Transactions
from workers.edges.log import log


@dataclass(frozen=True, slots=True)
class SinkEdges:
    """None of them is open before the worker's start."""

    source: KafkaSource
    transactions: Transactions
    receipts: Appending
    parked_state: KafkaTable
    tracked: KafkaTable | None  # None: the sink tracks no orders
    connection: KafkaConnection
    parked_reader: Callable[[], ParkedReader]  # makes one for each part that reads the parked topic


def open_edges(spec: SinkSpec, member: Member, owner: Owner) -> SinkEdges:
    """To be called in the running loop, in which the owner is called."""
    loop, connection, tracks = asyncio.get_running_loop(), member.connection, spec.tracks
    return SinkEdges(
        source=KafkaSource(
            member,
            spec.consumes,
            owner,
            loop,
            written_topics=spec.written_topics,
            needed_topics=(spec.receipts,) if spec.receipts else (),
        ),
        transactions=Transactions(connection, spec.transactional_id(member.instance)),
        receipts=Appender(connection),
        parked_state=KafkaTable(connection, spec.parked_state, loop, owner.failed, brokers=member.brokers),
        tracked=None if tracks is None else KafkaTable(connection, tracks, loop, owner.failed, brokers=member.brokers),
        connection=connection,
        parked_reader=partial(ParkedReader, connection),
    )


class SinkPipe:
    """The parts that live as long as the worker, and those that live as long as an assignment."""

    def __init__(self, context: SinkContext, edges: SinkEdges) -> None:
        """To be called in the running loop; nothing runs yet."""
        self._context = context
        self._edges = edges
        self.stats = SinkStats()
        self.lanes = Lanes(context.spec.publish_skew, context.spec.remembered_orders)
        self.gate = Gate(GatePolicy(suspect_after=context.spec.suspect_after))
        self.ownership = Ownership(self.lanes)
        self.wakeups = Wakeups()
        self.tracked = TrackedOrders(context, edges.tracked)
        self.fetching = Fetching(context, self.ownership, edges.source)
        finisher = Finisher(context, self.ownership, self.tracked, self.wakeups, self.stats.append_to_finish_seconds)
        self.outcomes = Outcomes(context, self.lanes, self.gate, finisher, self.stats)
        self.sender = Sender(
            context,
            self.ownership,
            lanes=self.lanes,
            gate=self.gate,
            outcomes=self.outcomes,
            finisher=finisher,
            stats=self.stats,
        )
        self.intake = Intake(
            context,
            self.ownership,
            lanes=self.lanes,
            sender=self.sender,
            finisher=finisher,
            fetching=self.fetching,
            stats=self.stats,
            wakeups=self.wakeups,
        )
        self.receipts = Receipts(context, edges.receipts)
        self.commits = self._commits(finisher)
        self.wakeups.connect(sender=self.sender, commits=self.commits, fetching=self.fetching)

    def _commits(self, finisher: Finisher) -> Commits:
        return Commits(
            self._context,
            self.ownership,
            source=self._edges.source,
            transactions=self._edges.transactions,
            receipts=self.receipts,
            finisher=finisher,
            stats=self.stats,
        )

    def begin(self, assigned: Assignment) -> None:
        """Own these partitions; none of them is fetched yet."""
        context, spec = self._context, self._context.spec
        now, tracks = context.monotonic(), spec.tracks is not None
        shards = {
            number: open_shard(
                number,
                spec.consumes,
                spec.merge_wait,
                now,
                self.wakeups,
                tracks=tracks,
                metadata_limit=self.ownership.metadata_limit,
            )
            for number in {at.number for at in assigned.partitions}
        }
        replays = Replays(context, self.lanes, self.wakeups, self._edges.parked_reader())
        discards = Discards(context, replays, self._edges.parked_reader())
        commands = ParkedCommands(context, self.ownership, replays, discards, self.fetching)
        state = ParkedState(context, shards, self.intake, replays, commands)
        assignment = SinkAssignment(assigned.epoch, assigned.group, shards, replays, state)
        self.ownership.begin(assignment)
        self.fetching.assigned()
        assignment.run(replays.run(), context.failed)
        assignment.run(discards.run(), context.failed)

    def follow_state(self, assignment: SinkAssignment) -> None:
        """Read what the former owners left behind: fences, commands and tracked orders."""
        self._edges.parked_state.follow(frozenset(assignment.shards), assignment.parked_state)
        self.tracked.follow(assignment.shards, self.intake)

    def close(self) -> None:
        """Send nothing new of the present assignment."""
        if self.ownership.assignment is not None:
            self.ownership.assignment.is_closing = True

    async def settle(self, within: float) -> None:
        """Wait for what is in flight and for what it writes; after ``within`` seconds the flights are cancelled."""
        try:
            async with asyncio.timeout(within):
                await self.sender.wait_idle()
                await self.commits.settled()
        except TimeoutError:
            log.warning("drain_timed_out", worker=self._context.spec.name, in_flight=self.sender.in_flight)
            self.sender.cancel_flights()
            await self.sender.wait_idle()
