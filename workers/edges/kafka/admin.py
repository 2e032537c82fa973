"""Reads and changes what the cluster has: topics, their configuration, groups' offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, Literal, TypeAlias, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, OffsetSpec, OffsetTimestamp
from kafka.errors import KafkaError, for_code
from kafka.structs import OffsetAndMetadata

from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, admin_options, open_client
from workers.edges.kafka.convert import to_partition, topic_partitions
from workers.edges.kafka.errors import kafka_errors

T = TypeVar("T")

RETRY_AFTER_S = 0.2
READY_TIMEOUT_MS = 30_000  # how long a new topic may take until each partition has a leader
UNKNOWN_TOPIC = 3  # Kafka's error code
READ_COMMITTED = "READ_COMMITTED"

When: TypeAlias = Literal["earliest", "latest"] | int
"""Where an offset is looked up: an end of the log, or the first record at or after a time (ms since 1970, UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic: as it is on the cluster, or as it should be."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group as its coordinator sees it."""

    state: str  # Stable, Empty, PreparingRebalance, CompletingRebalance or Dead
    members: tuple[str, ...]  # their instance ids, or client ids
    assignments: Mapping[str, frozenset[Partition]] = field(default_factory=dict)  # of each member


@contextmanager
def open_admin(connection: KafkaConnection) -> Iterator[KafkaAdmin]:
    """Connect for the length of a ``with`` block; raises `KafkaFailed` for whatever goes wrong in it."""
    with kafka_errors(connection):
        client = open_client(KafkaAdminClient, admin_options(connection), connection.waiting)
        try:
            yield KafkaAdmin(client)
        finally:
            client.close()


class KafkaAdmin:
    """Blocking calls on one connection; they raise `KafkaFailed` and kafka-python's errors: see `open_admin`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Describe the topics of ``names`` that exist."""
        found = {topic["name"]: topic for topic in self._client.describe_topics(list(names))}
        there = {name: topic for name, topic in found.items() if topic["error_code"] != UNKNOWN_TOPIC}
        for topic in there.values():
            _raise_for(topic["error_code"])
        configs = self._configs(there)
        return {name: _state(name, topic, configs[name]) for name, topic in there.items()}

    def broker_count(self) -> int:
        """How many brokers take partitions; one that is fenced, as a node that has ended, takes none."""
        return sum(not node.get("is_fenced") for node in self._client.describe_cluster()["brokers"])

    def create(self, topic: TopicState) -> None:
        """Create a topic; `wait_for_leaders` waits until it can be used."""
        options = {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "configs": dict(topic.config),
        }
        self._client.create_topics({topic.name: options}, timeout_ms=READY_TIMEOUT_MS)

    def wait_for_leaders(self, names: Sequence[str]) -> None:
        """Return when every partition of these topics has a leader, so that the next command can use them."""
        if names:
            self._client.wait_for_topics(list(names), timeout_ms=READY_TIMEOUT_MS)

    def alter_config(self, name: str, values: Mapping[str, str]) -> None:
        """Set these configuration values of a topic and keep the others. Raises `KafkaFailed`."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(values))
        answer = self._client.alter_configs([resource], raise_on_unknown=False)["topic"][name]
        if answer != "OK":  # kafka-python returns a refusal, it does not raise it
            raise KafkaFailed(f"Kafka refuses it: {' '.join(answer.split())[:300]}")

    def add_partitions(self, name: str, count: int) -> None:
        """Raise a topic to ``count`` partitions and wait for their leaders."""
        self._client.create_partitions({name: count}, timeout_ms=READY_TIMEOUT_MS)
        self._client.wait_for_topics([name], timeout_ms=READY_TIMEOUT_MS)

    def group(self, name: str) -> GroupState:
        """Describe a consumer group; one that does not exist is ``Dead`` and has no members."""
        found = when_ready(lambda: self._client.describe_groups([name]))[name]
        members = [member.get("group_instance_id") or member["client_id"] for member in found["members"]]
        assigned = map(_assigned, found["members"])
        return GroupState(found["group_state"], tuple(members), dict(zip(members, assigned, strict=True)))

    def remove_member(self, group: str, instance: str) -> None:
        """Remove a static member; one that is not there is removed already."""
        self._client.remove_group_members(group, [MemberToRemove(group_instance_id=instance)])

    def delete_topics(self, names: Sequence[str]) -> None:
        """Delete these topics for good."""
        self._client.delete_topics(list(names))

    def delete_groups(self, names: Sequence[str]) -> None:
        """Delete these consumer groups; one that has members stays. Raises `KafkaFailed`."""
        for name, result in dict(self._client.delete_groups(list(names))).items():
            if result not in {"OK", "GroupIdNotFoundError"}:
                raise KafkaFailed(f"{name} was not deleted: {result}")

    def committed(self, group: str) -> dict[Partition, CommitPoint]:
        """Read all offsets that a group has committed."""
        found = when_ready(lambda: self._client.list_group_offsets(group))[group]
        return {
            to_partition(one): CommitPoint(commit.offset, commit.metadata or "")
            for one, commit in found.items()
            if commit.offset >= 0
        }

    def offsets(self, partitions: Iterable[Partition], when: When) -> dict[Partition, int]:
        """Look up offsets. A time after the last record gives the end; ends are those of committed transactions."""
        asked = {one: _spec(when) for one in topic_partitions(partitions)}
        if not asked:
            return {}
        found = self._client.list_partition_offsets(asked, isolation_level=READ_COMMITTED)
        offsets = {to_partition(one): found[one].offset for one in asked}
        late = [partition for partition, offset in offsets.items() if offset < 0]
        return offsets | (self.offsets(late, "latest") if late else {})

    def delete_before(self, offsets: Mapping[Partition, int]) -> None:
        """Remove the records below these offsets for good."""
        self._client.delete_records({TopicPartition(*one): offset for one, offset in offsets.items()})

    def commit(self, group: str, points: Mapping[Partition, CommitPoint | int]) -> None:
        """Move an empty group's offsets. A bare offset drops the metadata, which describe the old position.

        Raises `KafkaFailed`.
        """
        whole = {at: CommitPoint(one, "") if isinstance(one, int) else one for at, one in points.items()}
        moved = {TopicPartition(*at): OffsetAndMetadata(one.offset, one.metadata, None) for at, one in whole.items()}
        for one, error in when_ready(lambda: self._client.alter_group_offsets(group, moved)).items():
            if error.errno:
                raise KafkaFailed(
                    f"the offset of {to_partition(one)} was refused: {error.__name__}; is {group} in use?"
                )

    def _configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        found = self._client.describe_configs(resources, config_filter="all")["topic"]
        return {name: {key: str(entry["value"]) for key, entry in entries.items()} for name, entries in found.items()}


def when_ready(call: Callable[[], T]) -> T:
    """Retry while the cluster answers "not yet": a new cluster's first group has no coordinator for a second."""
    until = monotonic() + READY_TIMEOUT_MS / 1000
    while True:
        try:
            return call()
        except KafkaError as error:
            if not error.retriable or monotonic() > until:
                raise
            sleep(RETRY_AFTER_S)


def _assigned(member: Mapping[str, Any]) -> frozenset[Partition]:
    """What the group's leader has given a member; nothing while a rebalance is under way."""
    assignment = member["member_assignment"]
    if not isinstance(assignment, Mapping):
        return frozenset()
    return frozenset(
        Partition(one["topic"], number) for one in assignment["assigned_partitions"] for number in one["partitions"]
    )


def _state(name: str, topic: Mapping[str, Any], config: Mapping[str, str]) -> TopicState:
    partitions = topic["partitions"]
    replicas = min((len(partition["replica_nodes"]) for partition in partitions), default=0)
    return TopicState(name=name, partitions=len(partitions), replication_factor=replicas, config=config)


def _raise_for(code: int) -> None:
    if code:
        raise for_code(code)


def _spec(when: When) -> Any:
    match when:
        case "earliest":
            return OffsetSpec.EARLIEST
        case "latest":
            return OffsetSpec.LATEST
        case _:
            return OffsetTimestamp(when)
