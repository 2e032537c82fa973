"""A sink's committed offsets: reading them, and moving them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import monotonic, sleep, time, time_ns

from workers.app.config.specs import SinkSpec
from workers.app.inspect.absent_members import AbsentMember, absent_members
from workers.app.inspect.moves import OffsetMove
from workers.core.consume.start_position import NeedsOperator, decide_start, stop_reason
from workers.core.parked.rows import RestartAt, command_key, command_row
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.admin import KafkaAdmin, When
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.publisher import open_publisher

RESTART_WITHIN_S = 30.0  # a running worker restarts a stopped partition, and commits
POLL_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    partition: Partition
    committed: int | None  # the next record to read; None: the group will begin with the earliest
    start: int  # the oldest record that is still in the log
    end: int
    state: str  # ``ok``, ``new``, or why a worker stops here until an operator decides

    @property
    def lag(self) -> int:
        return max(0, self.end - max(self.start, self.start if self.committed is None else self.committed))


@dataclass(frozen=True, slots=True)
class GroupOffsets:
    group: str
    members: tuple[str, ...]
    partitions: tuple[PartitionOffsets, ...]
    absent: tuple[AbsentMember, ...] = ()  # whose partitions wait until their session ends


@dataclass(frozen=True, slots=True)
class MovedOffset:
    """One partition's committed offset, before the move and as read back after it."""

    partition: Partition
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class PlannedMoves:
    """What a move would change, as of now."""

    moves: tuple[OffsetMove, ...]
    members: tuple[str, ...]  # of the group: a worker runs, and the partitions are those that it has stopped


def read_offsets(admin: KafkaAdmin, sink: SinkSpec) -> GroupOffsets:
    """Ask the cluster; raises `KafkaFailed` when a consumed topic does not exist."""
    topics = admin.topics(sink.consumes)
    missing = [name for name in sink.consumes if name not in topics]
    if missing:
        raise KafkaFailed(f"no topic '{missing[0]}' on the cluster; `relay topics apply` creates it")
    partitions = [Partition(name, number) for name in sink.consumes for number in range(topics[name].partitions)]
    starts, ends = admin.offsets(partitions, "earliest"), admin.offsets(partitions, "latest")
    committed = admin.committed(sink.group)
    found = (
        _partition_offsets(partition, committed.get(partition), starts[partition], ends[partition])
        for partition in partitions
    )
    group = admin.group(sink.group)
    absent = absent_members(group.assignments, committed, time(), sink.session)
    return GroupOffsets(sink.group, group.members, tuple(found), tuple(absent))


def plan_moves(admin: KafkaAdmin, sink: SinkSpec, to: When, chosen: Collection[Partition] = ()) -> PlannedMoves:
    """Find where each offset would move, of all partitions or of the chosen ones; raises `KafkaFailed`.

    Refused while a worker is in the group, because it would commit its own position right after; except for
    partitions that the worker has stopped: a command asks it to begin them at the new offset.
    """
    now = read_offsets(admin, sink)
    known = {found.partition: found for found in now.partitions}
    unknown = [partition for partition in chosen if partition not in known]
    if unknown:
        raise KafkaFailed(f"{sink.name} has no partition {unknown[0]}; `relay offsets {sink.name}` shows those it has")
    wanted = _stopped(sink, now, chosen) if now.members else list(chosen) or list(known)
    targets, commits = admin.offsets(wanted, to), admin.committed(sink.group)
    moves = (
        OffsetMove(one, commits.get(one), known[one].start, max(known[one].end, target), target)
        for one, target in targets.items()
    )
    return PlannedMoves(tuple(moves), now.members)


def move_offsets(
    admin: KafkaAdmin, connection: KafkaConnection, sink: SinkSpec, planned: PlannedMoves
) -> list[MovedOffset]:
    """Make the moves; raises `KafkaFailed` when the group has moved or changed since they were planned."""
    commits = admin.committed(sink.group)
    if any(commits.get(move.partition) != move.commit for move in planned.moves):
        raise KafkaFailed(f"{sink.group} has committed in the meantime; nothing was moved: give the command again")
    targets = {move.partition: move.target for move in planned.moves}
    if planned.members:
        _request_restart(connection, sink, targets)
        after = _await_commits(admin, sink, targets, commits)
        return [_moved(move, after) for move in planned.moves]
    moving = {move.partition: move for move in planned.moves if move.changes or move.commit is None}
    admin.commit(sink.group, {one: CommitPoint(move.target, move.metadata) for one, move in moving.items()})
    after = admin.committed(sink.group)
    return [_moved(move, after) for move in moving.values() if move.changes]


def _moved(move: OffsetMove, after: Mapping[Partition, CommitPoint]) -> MovedOffset:
    before = None if move.commit is None else move.commit.offset
    return MovedOffset(move.partition, before, after[move.partition].offset)


def _stopped(sink: SinkSpec, now: GroupOffsets, chosen: Collection[Partition]) -> list[Partition]:
    """What the running worker has stopped, of all or of the chosen; raises `KafkaFailed` for one that it runs."""
    stopped = [one.partition for one in now.partitions if one.state not in {"ok", "new"}]
    # A worker commits where it begins: a partition without a commit is stopped, or the worker has just joined.
    uncommitted = [one.partition for one in now.partitions if one.state == "new"]
    wanted = list(chosen) or stopped
    if not wanted or set(wanted) - {*stopped, *uncommitted}:
        members = ", ".join(sorted(set(now.members)))
        raise KafkaFailed(
            f"{now.group} is in use by {members}: stop the worker first; a member that died counts for "
            f"{sink.session:g} s"
        )
    return wanted


def _request_restart(connection: KafkaConnection, sink: SinkSpec, targets: Mapping[Partition, int]) -> None:
    expires_ms = time_ns() // 1_000_000 + int(RESTART_WITHIN_S * 1000)
    with open_publisher(connection) as publisher:
        for partition, offset in targets.items():
            key = command_key(f"offsets/{partition.topic}")
            row = command_row(RestartAt(partition.topic, offset, expires_ms))
            publisher.send(sink.parked_state, key, row, (), partition=partition.number)
        publisher.finish()


def _await_commits(
    admin: KafkaAdmin, sink: SinkSpec, targets: Mapping[Partition, int], before: Mapping[Partition, CommitPoint]
) -> dict[Partition, CommitPoint]:
    """The group's commits once the worker has made new ones: no commit of a stopped partition ever changes."""
    deadline = monotonic() + RESTART_WITHIN_S
    while monotonic() < deadline:
        after = admin.committed(sink.group)
        made = {
            partition: after[partition].offset
            for partition in targets
            if partition in after and after[partition] != before.get(partition)
        }
        if made.keys() == targets.keys() and all(made[partition] >= targets[partition] for partition in targets):
            return after
        sleep(POLL_INTERVAL_S)
    waited = f"did not answer within {RESTART_WITHIN_S:g} s"
    raise KafkaFailed(f"the running {sink.name} {waited}; stop it, and give the command again")


def _partition_offsets(partition: Partition, commit: CommitPoint | None, start: int, end: int) -> PartitionOffsets:
    if commit is None:
        return PartitionOffsets(partition, None, start, end, "new")
    begin = decide_start(partition, committed=commit.offset, metadata=commit.metadata, earliest=start, end=end)
    state = begin.reason if isinstance(begin, NeedsOperator) else stop_reason(commit.metadata) or "ok"
    return PartitionOffsets(partition, commit.offset, start, end, state)
