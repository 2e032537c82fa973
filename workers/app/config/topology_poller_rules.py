"""What must hold between a poller's block and its topics for no change to be lost or told twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workers.app.config.errors import Fault, did_you_mean
from workers.app.config.topology import PollerSpec, SinkSpec, TopicSpec
from workers.app.config.topology_sink_rules import WORKER_NAME
from workers.app.config.topology_yaml import Document
from workers.core.event_kinds import COURIER_ORDER_EVENT, ORDER_STAGE_CHANGED
from workers.edges.avro.schema_files import load_topic
from workers.edges.avro.schema_tree import SchemaError
from workers.vendors.contract import load

WINDOW_KEYS = frozenset({"settle_lag", "lookback", "look_again", "sweep_every", "rest"})
ORDER_KEYS = frozenset({"follows", "slower", "grace", "give_up_after"})


def poller_faults(
    document: Document,
    topics: Mapping[str, TopicSpec],
    sinks: Mapping[str, SinkSpec],
    pollers: Mapping[str, PollerSpec],
) -> Iterator[Fault]:
    """Each broken rule, at the key to change."""
    owners: dict[str, str] = {}
    for poller in pollers.values():
        keys = ("workers", poller.name)
        if not WORKER_NAME.fullmatch(poller.name):
            message = "a worker's name is small letters and digits, with '-' between: dcl-poller"
            yield Fault(document.place(keys), message)
        yield from _kind_faults(document, poller)
        yield from _reference_faults(document, poller, topics)
        yield from _source_faults(document, poller, sinks)
        yield from _event_faults(document, poller, topics)
        yield from _state_faults(document, poller, topics)
        yield from _time_faults(document, poller)
        owner = owners.setdefault(poller.state, poller.name)
        if owner != poller.name:
            message = f"state: '{poller.state}' is already that of {owner}; each poller needs its own"
            yield Fault(document.place((*keys, "state")), message)


def _kind_faults(document: Document, poller: PollerSpec) -> Iterator[Fault]:
    """A key that would be read by the other kind of poller alone would seem to hold, and do nothing."""
    by_orders = load(poller.vendor).poller_follows
    for key in sorted(poller.model_fields_set & (WINDOW_KEYS if by_orders else ORDER_KEYS)):
        kind = "looks at orders one by one" if by_orders else "reads what has changed in a stretch of time"
        message = f"{key}: not for {poller.name}, which {kind}; take it out"
        yield Fault(document.place(("workers", poller.name, key)), message)


def _reference_faults(document: Document, poller: PollerSpec, topics: Mapping[str, TopicSpec]) -> Iterator[Fault]:
    places = [("publishes", i, name) for i, name in enumerate(poller.publishes)]
    for key, i, name in places:
        if name not in topics:
            yield Fault(document.place(("workers", poller.name, key, i)), _missing(name, topics))
    if poller.state not in topics:
        yield Fault(document.place(("workers", poller.name, "state")), _missing(poller.state, topics))
    if poller.follows is not None and poller.follows not in topics:
        yield Fault(document.place(("workers", poller.name, "follows")), _missing(poller.follows, topics))
    for name in (*poller.publishes, poller.state, *([poller.follows] if poller.follows else [])):
        if name in topics and topics[name].schema_file is None:
            message = f"topic '{name}' has no schema: {poller.name} could not write to it"
            yield Fault(document.place(("topics", name)), message)


def _source_faults(document: Document, poller: PollerSpec, sinks: Mapping[str, SinkSpec]) -> Iterator[Fault]:
    """Orders that a sink tracks elsewhere would never be looked at, and nothing would say so."""
    tracks = {sink.tracks for sink in sinks.values() if sink.vendor == poller.vendor and sink.tracks is not None}
    if poller.follows is not None and tracks and poller.follows not in tracks:
        message = f"follows: no sink of {poller.vendor} tracks its orders there, but in {', '.join(sorted(tracks))}"
        yield Fault(document.place(("workers", poller.name, "follows")), message)


def _event_faults(document: Document, poller: PollerSpec, topics: Mapping[str, TopicSpec]) -> Iterator[Fault]:
    """Every kind of event that the poller tells has a topic, and every topic is one of them: none is told nowhere."""
    kinds = (ORDER_STAGE_CHANGED, COURIER_ORDER_EVENT) if load(poller.vendor).poller_follows else (ORDER_STAGE_CHANGED,)
    told = {kind.record for kind in kinds}
    found = {i: _record(topics.get(name)) for i, name in enumerate(poller.publishes)}
    for i, record in found.items():
        if record is not None and record not in told:
            message = f"'{poller.publishes[i]}' holds {record}, which {poller.name} does not tell"
            yield Fault(document.place(("workers", poller.name, "publishes", i)), message)
    for missing in sorted(told.difference(filter(None, found.values()))) if None not in found.values() else ():
        message = f"publishes: a topic of {missing} is wanted too, or {poller.name} would tell these nowhere"
        yield Fault(document.place(("workers", poller.name, "publishes")), message)


def _record(topic: TopicSpec | None) -> str | None:
    """The name of the topic's record; None: it cannot be read, which is a fault of its own."""
    if topic is None or topic.schema_file is None or not topic.schema_file.is_file():
        return None
    try:
        return load_topic(topic.name, topic.schema_file).today.name
    except SchemaError:
        return None


def _state_faults(document: Document, poller: PollerSpec, topics: Mapping[str, TopicSpec]) -> Iterator[Fault]:
    state = topics.get(poller.state)
    if state is None:
        return
    if state.config.get("cleanup.policy") != "compact":
        message = f"cleanup.policy: compact is wanted, or what {poller.name} remembers of its orders expires"
        yield Fault(document.place(("topics", state.name, "config", "cleanup.policy")), message)
    if poller.follows is not None:
        yield from _follows_faults(document, poller, state, topics.get(poller.follows))
        return
    wanted = max(1, len(getattr(poller.options, "accounts", ())))
    if state.partitions != wanted:
        message = f"{wanted} is wanted, one for each account of {poller.name}: a partition is a shard of its work"
        yield Fault(document.place(("topics", state.name, "partitions")), message)


def _follows_faults(
    document: Document, poller: PollerSpec, state: TopicSpec, follows: TopicSpec | None
) -> Iterator[Fault]:
    """One process must own a partition number of both: the orders to look at, and what is remembered of them."""
    if follows is None:
        return
    if follows.config.get("cleanup.policy") != "compact":
        message = f"cleanup.policy: compact is wanted, or the orders that {poller.name} looks at expire"
        yield Fault(document.place(("topics", follows.name, "config", "cleanup.policy")), message)
    if state.partitions != follows.partitions:
        message = f"{follows.partitions} is wanted, as many as '{follows.name}': {poller.name} takes them side by side"
        yield Fault(document.place(("topics", state.name, "partitions")), message)


def _time_faults(document: Document, poller: PollerSpec) -> Iterator[Fault]:
    if poller.follows is None and poller.forget_after <= poller.rest:
        message = "forget_after: more than rest is wanted"
        yield Fault(document.place(("workers", poller.name, "forget_after")), message)
    if poller.retry.first > poller.retry.max:
        message = "retry.first: not more than retry.max is wanted"
        yield Fault(document.place(("workers", poller.name, "retry", "first")), message)


def _missing(name: str, topics: Mapping[str, TopicSpec]) -> str:
    return f"no topic '{name}' under topics{did_you_mean(name, topics)}"
