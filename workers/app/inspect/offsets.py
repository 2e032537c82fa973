"""A sink's committed offsets: where its group stands, and moving it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from time import monotonic, sleep

from workers.app.config.specs import SinkSpec
from workers.core.consume.start_position import NeedsOperator, decide_start, stop_reason
from workers.core.parked.commands import RestartAt, command_key, command_row
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.admin import KafkaAdmin, When
from workers.edges.kafka.client import KafkaFailed

Ask = Callable[[Mapping[Partition, int]], None]
ANSWER_WITHIN = 30.0  # seconds in which a running worker begins a stopped partition, and commits


@dataclass(frozen=True, slots=True)
class PartitionStanding:
    """Where a group stands in one partition."""

    at: Partition
    committed: int | None  # the next record to read; None: it will begin with the earliest
    start: int  # the oldest record that is still there
    end: int
    state: str  # ``ok``, ``new``, or why a worker will not go on by itself

    @property
    def lag(self) -> int:
        """Records that the group has still to read."""
        return max(0, self.end - max(self.start, self.start if self.committed is None else self.committed))


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """Where a group stands in all its partitions, and who is in it now."""

    group: str
    members: tuple[str, ...]
    standings: tuple[PartitionStanding, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """One partition's commit, before and as read back after the move."""

    at: Partition
    before: int | None
    after: int


def read_offsets(admin: KafkaAdmin, sink: SinkSpec) -> GroupStanding:
    """Ask the cluster; raises `KafkaFailed` when a consumed topic is not there."""
    topics = admin.topics(sink.consumes)
    missing = [name for name in sink.consumes if name not in topics]
    if missing:
        raise KafkaFailed(f"no topic '{missing[0]}' on the cluster; `relay topics apply` creates it")
    partitions = [Partition(name, number) for name in sink.consumes for number in range(topics[name].partitions)]
    starts, ends = admin.offsets(partitions, "earliest"), admin.offsets(partitions, "latest")
    committed = admin.committed(sink.group)
    standings = (_standing(at, committed, starts[at], ends[at]) for at in partitions)
    return GroupStanding(sink.group, admin.group(sink.group).members, tuple(standings))


def move_offsets(
    admin: KafkaAdmin, sink: SinkSpec, to: When, chosen: Collection[Partition] = (), *, ask: Ask
) -> list[Moved]:
    """Move the group's commits, of all partitions or of the chosen ones; raises `KafkaFailed`.

    Refused while a worker is in the group, for it would commit its own position right after; except for
    partitions that the worker has stopped: ``ask`` then has it begin them where they are moved to.
    """
    now = read_offsets(admin, sink)
    before = {standing.at: standing.committed for standing in now.standings}
    unknown = [at for at in chosen if at not in before]
    if unknown:
        raise KafkaFailed(f"{sink.name} has no partition {unknown[0]}; `relay offsets {sink.name}` shows those it has")
    if now.members:
        targets = admin.offsets(_stopped(sink, now, chosen), to)
        stood = admin.committed(sink.group)
        ask(targets)
        after = _await_commits(admin, sink, targets, stood)
    else:
        targets = admin.offsets(chosen or before, to)
        admin.commit(sink.group, targets)
        after = admin.committed(sink.group)
    return [Moved(at, before[at], after[at].offset) for at in targets]


def _stopped(sink: SinkSpec, now: GroupStanding, chosen: Collection[Partition]) -> list[Partition]:
    """What the running worker has stopped, of all or of the chosen; raises `KafkaFailed` for one that it runs."""
    stopped = [one.at for one in now.standings if one.state not in {"ok", "new"}]
    # A worker commits where it begins: one without a commit is stopped, or the worker has joined a moment ago.
    uncommitted = [one.at for one in now.standings if one.state == "new"]
    wanted = list(chosen) or stopped
    if not wanted or set(wanted) - {*stopped, *uncommitted}:
        who = ", ".join(sorted(set(now.members)))
        raise KafkaFailed(
            f"{now.group} is in use by {who}: stop the worker first; a member that died counts for {sink.session:g} s"
        )
    return wanted


def _await_commits(
    admin: KafkaAdmin, sink: SinkSpec, targets: Mapping[Partition, int], stood: Mapping[Partition, CommitPoint]
) -> dict[Partition, CommitPoint]:
    """The group's commits once the worker has made new ones: a stopped partition's commit stands still."""
    deadline = monotonic() + ANSWER_WITHIN
    while monotonic() < deadline:
        after = admin.committed(sink.group)
        made = {at: after[at].offset for at in targets if at in after and after[at] != stood.get(at)}
        if made.keys() == targets.keys() and all(made[at] >= targets[at] for at in targets):
            return after
        sleep(0.2)
    raise KafkaFailed(
        f"the running {sink.name} did not answer within {ANSWER_WITHIN:g} s; stop it, and give the command again"
    )


def _standing(at: Partition, committed: Mapping[Partition, CommitPoint], start: int, end: int) -> PartitionStanding:
    commit = committed.get(at)
    if commit is None:
        return PartitionStanding(at, None, start, end, "new")
    begin = decide_start(at, committed=commit.offset, metadata=commit.metadata, earliest=start, end=end)
    state = begin.reason if isinstance(begin, NeedsOperator) else stop_reason(commit.metadata) or "ok"
    return PartitionStanding(at, commit.offset, start, end, state)


def command_rows(sink: SinkSpec, targets: Mapping[Partition, int], now_ms: int) -> list[tuple[Partition, bytes, bytes]]:
    """(where, key, value) of what asks the running worker to begin these partitions there."""
    expires = now_ms + int(ANSWER_WITHIN * 1000)
    return [
        (
            Partition(sink.parked_state, at.number),
            command_key(f"offsets/{at.topic}"),
            command_row(RestartAt(at.topic, offset, expires)),
        )
        for at, offset in targets.items()
    ]
