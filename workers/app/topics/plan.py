"""Decides what must change on the cluster and at the registry to match topics.yaml and schemas/."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from workers.app.config.specs import Config, SinkSpec, TopicSpec
from workers.core.counted import counted
from workers.edges.kafka.admin import TopicState

PARTITIONS = "partitions"
REPLICATION = "replication_factor"
TOPIC = "topic"
SCHEMA = "schema"

Place: TypeAlias = tuple[str, str]  # topic and key


class Verdict(StrEnum):
    """Whether a change can be made."""

    APPLY = "apply"  # `relay topics apply` makes it
    ALLOW = "needs --allow-repartition"
    IMPOSSIBLE = "impossible"  # the relay cannot make it: ``reason`` says what to do


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the cluster and topics.yaml."""

    topic: str
    key: str  # ``topic``, ``partitions``, ``replication_factor``, ``schema``, or a configuration's name
    before: str
    after: str
    verdict: Verdict = Verdict.APPLY
    reason: str = ""

    @property
    def place(self) -> Place:
        return self.topic, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The state of the cluster and of the registry."""

    topics: Mapping[str, TopicState]
    brokers: int | None = None  # None: unknown
    lags: Mapping[str, int] = field(default_factory=dict)  # by consumer group, in records
    unregistered: tuple[str, ...] = ()  # topics whose current schema the registry does not have
    broken: Mapping[str, str] = field(default_factory=dict)  # by topic: whom its current schema breaks, and how


def plan(config: Config, facts: Facts, *, allow_repartition: bool) -> list[Change]:
    """List every difference, with those that the relay cannot remove; empty: cluster and files agree."""
    changes: list[Change] = []
    for topic in config.topics.values():
        found = facts.topics.get(topic.name)
        changes += [_creation(topic)] if found is None else _differences(topic, found)
    changes = [_judged(change, config, facts, allow_repartition=allow_repartition) for change in changes]
    changes = list(_together(changes, config))
    return changes + [_registration(name, facts.broken.get(name, "")) for name in facts.unregistered]


def wanted(topic: TopicSpec) -> TopicState:
    return TopicState(
        name=topic.name,
        partitions=topic.partitions,
        replication_factor=topic.replication_factor,
        config=topic.config,
    )


def _registration(topic: str, broken: str) -> Change:
    verdict = Verdict.IMPOSSIBLE if broken else Verdict.APPLY
    return Change(topic, SCHEMA, "not registered", "registered", verdict, broken)


def _creation(topic: TopicSpec) -> Change:
    wanted = f"{counted(topic.partitions, 'partition')}, {counted(topic.replication_factor, 'replica')}"
    return Change(topic.name, TOPIC, "missing", wanted)


def _differences(topic: TopicSpec, found: TopicState) -> Iterator[Change]:
    if topic.partitions != found.partitions:
        yield Change(topic.name, PARTITIONS, str(found.partitions), str(topic.partitions))
    if topic.replication_factor != found.replication_factor:
        yield Change(topic.name, REPLICATION, str(found.replication_factor), str(topic.replication_factor))
    for key, value in topic.config.items():
        there = found.config.get(key)
        if there != value:
            yield Change(topic.name, key, "unknown" if there is None else there, value)


def _judged(change: Change, config: Config, facts: Facts, *, allow_repartition: bool) -> Change:
    match change.key:
        case "topic":
            return _replicas(change, config.topics[change.topic].replication_factor, facts.brokers)
        case "replication_factor":
            reason = (
                "move the replicas with Kafka's kafka-reassign-partitions, or write the present number into topics.yaml"
            )
            return replace(change, verdict=Verdict.IMPOSSIBLE, reason=reason)
        case "min.insync.replicas":
            return _in_sync(change, facts)
        case "partitions":
            return _repartition(change, config, facts, allow_repartition=allow_repartition)
        case _:
            return change


def _replicas(change: Change, factor: int, brokers: int | None) -> Change:
    """Refuse more replicas than there are brokers: Kafka would refuse one topic after another, in `apply`."""
    if brokers is None or factor <= brokers:
        return change
    reason = (
        f"{counted(factor, 'replica')} need as many brokers, and the cluster has {brokers}: "
        f"set RELAY_REPLICATION_FACTOR={brokers}, or add brokers"
    )
    return replace(change, verdict=Verdict.IMPOSSIBLE, reason=reason)


def _in_sync(change: Change, facts: Facts) -> Change:
    """Refuse more in-sync replicas than the topic has replicas: the brokers would refuse every write."""
    if int(change.after) <= facts.topics[change.topic].replication_factor:
        return change
    reason = (
        f"the topic has {counted(facts.topics[change.topic].replication_factor, 'replica')}: raise their number first"
    )
    return replace(change, verdict=Verdict.IMPOSSIBLE, reason=reason)


def _repartition(change: Change, config: Config, facts: Facts, *, allow_repartition: bool) -> Change:
    refused = _refusal(change, config.sinks.values(), facts) or _shard_refusal(change, config)
    if refused is not None:
        return replace(change, verdict=Verdict.IMPOSSIBLE, reason=refused)
    if not allow_repartition:
        reason = "an order may then be in another partition than before: stop its publishers first"
        return replace(change, verdict=Verdict.ALLOW, reason=reason)
    return change


def _refusal(change: Change, sinks: Iterable[SinkSpec], facts: Facts) -> str | None:
    """Why the partition count cannot be raised: an order's next records would lie in another partition than before."""
    if int(change.after) < int(change.before):
        return "Kafka cannot take partitions away: write the present number into topics.yaml, or move to a new topic"
    for sink in sinks:
        if change.topic in (sink.parks, sink.parked_state):
            return f"the records that {sink.name} has parked belong to their partition: move to a new set of topics"
        if change.topic == sink.tracks:
            return (
                f"the rows that {sink.name} keeps of its orders belong to their partition: move to a new set of topics"
            )
        lag = facts.lags.get(sink.group, 0)
        if change.topic in sink.consumes and lag:
            left = counted(lag, "record")
            return f"{sink.group} has a lag of {left}: stop the publishers and let the group finish first"
    return None


def _shard_refusal(change: Change, config: Config) -> str | None:
    """Why the partition count of a poller's state cannot be raised: an order's row would lie in another shard."""
    for poller in config.pollers.values():
        if change.topic == poller.state:
            return f"the rows that {poller.name} keeps belong to their partition: move to a new state topic"
    return None


def _together(changes: list[Change], config: Config) -> Iterator[Change]:
    """Raise all of a sink's topics or none: with unequal partition counts, its orders would lose their sequence."""
    stuck = {change.topic: change for change in changes if change.key == PARTITIONS and _is_impossible(change)}
    for change in changes:
        rivals = _neighbours(change.topic, config) & stuck.keys()
        if change.key == PARTITIONS and not _is_impossible(change) and rivals:
            reason = f"{min(rivals)} cannot follow, and a sink's topics need equal partition counts"
            yield replace(change, verdict=Verdict.IMPOSSIBLE, reason=reason)
        else:
            yield change


def _neighbours(topic: str, config: Config) -> set[str]:
    sets = ({*sink.consumes, *sink.written_topics} for sink in config.sinks.values())
    return set().union(*(names for names in sets if topic in names))


def _is_impossible(change: Change) -> bool:
    return change.verdict is Verdict.IMPOSSIBLE
