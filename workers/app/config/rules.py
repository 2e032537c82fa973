"""What must hold between the blocks of topics.yaml, or orders are lost or overtaken, or changes published twice."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from workers.app.config.errors import Keys, did_you_mean, reason_of
from workers.app.config.specs import Config, PollerSpec, SinkSpec, TopicSpec
from workers.app.config.values import KIB
from workers.core.event_kinds import COURIER_ORDER_EVENT, ORDER_STAGE_CHANGED, RECEIPT_BATCH
from workers.core.poll.vendor_set import VendorSet
from workers.edges.avro.schema_files import load_topic
from workers.edges.avro.schema_tree import SchemaError
from workers.vendors.contract import load

WORKER_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
DEFAULT_MESSAGE_BYTES = 1_048_588  # Kafka's own max.message.bytes
PARKED_HEADERS_BYTES = 64 * KIB  # what the headers of a parked record may add to it

WINDOW_KEYS = frozenset({"settle_lag", "lookback", "look_again", "sweep_every", "rest"})
ORDER_KEYS = frozenset({"follows", "slower", "grace", "give_up_after"})
SET_KEYS = frozenset({"sets"})


class Broken(NamedTuple):
    """A broken rule."""

    keys: Keys  # the way to the key to change
    message: str


def broken_rules(config: Config, declared: Collection[str]) -> Iterator[Broken]:
    """Each broken rule. ``declared``: the names of all topics in the file, those with faults of their own too."""
    for topic in config.topics.values():
        yield from _topic(topic)
    for worker in config.workers.values():
        yield from _worker(config, worker)
        yield from _references(worker, declared)
        yield from _sink(config, worker) if isinstance(worker, SinkSpec) else _poller(config, worker)
    yield from _budgets(config)
    yield from _owners({name: sink.parks for name, sink in config.sinks.items()}, "parks", "sink")
    parks = {sink.parks: sink for sink in reversed(config.sinks.values())}  # one fault is one line
    receipts = {sink.name: sink.receipts for sink in reversed(parks.values()) if sink.receipts}
    yield from _owners(receipts, "receipts", "sink")
    yield from _owners({name: poller.state for name, poller in config.pollers.items()}, "state", "poller")


def message_bytes(topic: TopicSpec) -> int:
    """The largest batch that the topic takes, by its ``max.message.bytes``."""
    text = topic.config.get("max.message.bytes", "")
    return int(text) if text.isdecimal() else DEFAULT_MESSAGE_BYTES


def _in_topic(topic: TopicSpec, key: str, message: str) -> Broken:
    return Broken(("topics", topic.name, key), f"{key}: {message}")


def _in_config(topic: TopicSpec, name: str, message: str) -> Broken:
    return Broken(("topics", topic.name, "config", name), f"{name}: {message}")


def _in_worker(name: str, key: str, message: str) -> Broken:
    return Broken(("workers", name, *key.split(".")), f"{key}: {message}")


def _schema(topic: TopicSpec, file: Path) -> Iterator[Broken]:
    try:
        if file.is_file():
            load_topic(topic.name, file)
        else:
            yield _in_topic(topic, "schema", f"no such file: {file}")
    except OSError as error:  # a folder that may not be entered, a name that is too long
        yield _in_topic(topic, "schema", f"{file} cannot be read: {reason_of(error)}")
    except SchemaError as error:
        yield Broken(("topics", topic.name, "schema"), str(error))


def _topic(topic: TopicSpec) -> Iterator[Broken]:
    file, insync = topic.schema_file, topic.config.get("min.insync.replicas", "1")
    if file is not None:
        yield from _schema(topic, file)
    if not insync.isdecimal() or not 1 <= int(insync) <= topic.replication_factor:
        message = f"must be 1 to {topic.replication_factor} (the replication factor), or nothing can be written"
        yield _in_config(topic, "min.insync.replicas", message)


def _worker(config: Config, worker: SinkSpec | PollerSpec) -> Iterator[Broken]:
    if not WORKER_NAME.fullmatch(worker.name):
        message = "a worker's name must be small letters and digits, with '-' between: ecdp-sink"
        yield Broken(("workers", worker.name), message)
    if worker.retry.first > worker.retry.max:
        yield _in_worker(worker.name, "retry.first", "must not be more than retry.max")
    for topic in _there(config, _decoded(worker)):
        if topic.schema_file is None:
            message = f"key 'schema' is missing: {worker.name} could not decode or encode its records"
            yield Broken(("topics", topic.name), message)
    for topic in _there(config, _remembered(worker)):
        if topic.config.get("cleanup.policy") != "compact":
            message = f"must be compact, or what {worker.name} remembers of its orders expires"
            yield _in_config(topic, "cleanup.policy", message)
    yield from _equal_partitions(config, worker)


def _there(config: Config, names: Collection[str]) -> list[TopicSpec]:
    """Those of the topics that have no fault of their own."""
    return [config.topics[name] for name in names if name in config.topics]


def _decoded(worker: SinkSpec | PollerSpec) -> tuple[str, ...]:
    """The topics whose records the worker decodes or encodes."""
    if isinstance(worker, SinkSpec):
        return (*worker.consumes, *([worker.receipts] if worker.receipts else []))
    return (*worker.publishes, *worker.topics)


def _remembered(worker: SinkSpec | PollerSpec) -> tuple[str, ...]:
    """The topics with one row for each order, of which the last must never expire."""
    return worker.own_topics[1:] if isinstance(worker, SinkSpec) else worker.topics


def _equal_partitions(config: Config, worker: SinkSpec | PollerSpec) -> Iterator[Broken]:
    """One process must own an order's partition number in all of a worker's topics, or its sequence is lost."""
    names = (
        (*worker.consumes, *worker.written_topics) if isinstance(worker, SinkSpec) else tuple(reversed(worker.topics))
    )
    found = _there(config, names)
    # The usual count is right: one odd topic is one fault, not one of each of the others.
    usual = Counter(topic.partitions for topic in found).most_common(1)
    for like in [topic for topic in found if topic.partitions == usual[0][0]][:1]:
        message = f"must be {like.partitions}, as many as '{like.name}': an order has one partition number in both"
        yield from (_in_topic(topic, "partitions", message) for topic in found if not _is_like(topic, like, worker))


def _is_like(topic: TopicSpec, like: TopicSpec, worker: SinkSpec | PollerSpec) -> bool:
    """Receipts are written to their source's partition number, and looked for nowhere else: more of them lie idle."""
    if isinstance(worker, SinkSpec) and topic.name == worker.receipts:
        return topic.partitions >= like.partitions
    return topic.partitions == like.partitions


def _references(worker: SinkSpec | PollerSpec, declared: Collection[str]) -> Iterator[Broken]:
    """Every topic that the worker names must be under ``topics``."""
    for key, name in _named(worker):
        if name not in declared:
            message = f"{key[0]}: no topic '{name}' under topics{did_you_mean(name, declared)}"
            yield Broken(("workers", worker.name, *key), message)


def _named(worker: SinkSpec | PollerSpec) -> Iterator[tuple[Keys, str]]:
    several = "consumes" if isinstance(worker, SinkSpec) else "publishes"
    yield from (((several, i), name) for i, name in enumerate(getattr(worker, several)))
    match worker:
        case SinkSpec():
            keys = {"parks": worker.parks, "receipts": worker.receipts, "tracks": worker.tracks}
            yield ("parks",), worker.parked_state
        case PollerSpec():
            keys = {"state": worker.state, "follows": worker.follows}
    yield from (((key,), name) for key, name in keys.items() if name is not None)


def _sink(config: Config, sink: SinkSpec) -> Iterator[Broken]:
    for name, value in (("max_in_flight", sink.max_in_flight), ("batch.max_orders", sink.batch.max_orders)):
        if value > sink.max_unfinished:
            yield _in_worker(sink.name, name, "must not be more than max_unfinished, or it could never be reached")
    if len(set(sink.consumes)) < len(sink.consumes):
        yield _in_worker(sink.name, "consumes", "must name each topic once")
    if {sink.parks, sink.parked_state} & set(sink.consumes):
        yield _in_worker(sink.name, "parks", "must be a topic that the worker does not consume")
    yield from _receipts(config, sink)
    sources = _there(config, sink.consumes)
    for topic in sources:
        if topic.config.get("message.timestamp.type") != "LogAppendTime":
            message = f"must be LogAppendTime: {sink.name} merges its topics by the broker's clock"
            yield _in_config(topic, "message.timestamp.type", message)
    for parked in _there(config, (sink.parks,)):
        yield from _parked(parked, max(map(message_bytes, sources), default=0) + PARKED_HEADERS_BYTES)


def _parked(parked: TopicSpec, least: int) -> Iterator[Broken]:
    if parked.config.get("retention.ms") != "-1":
        yield _in_config(parked, "retention.ms", "must be -1, or parked orders expire")
    if message_bytes(parked) < least:
        message = f"must be {least} or more: 64 KiB more than the largest source"
        yield _in_config(parked, "max.message.bytes", message)


def _receipts(config: Config, sink: SinkSpec) -> Iterator[Broken]:
    if sink.receipts in (*sink.consumes, *sink.own_topics):
        yield _in_worker(sink.name, "receipts", "must be a topic of its own")
        return
    for topic in _there(config, [sink.receipts] if sink.receipts else []):
        if "compact" in topic.config.get("cleanup.policy", ""):
            yield _in_config(
                topic, "cleanup.policy", "must be delete: receipts have no key, so Kafka would refuse them"
            )
        if _record_name(topic) not in (None, RECEIPT_BATCH.record):
            yield _in_topic(topic, "schema", f"must be {RECEIPT_BATCH.record}: {sink.name} writes its receipts here")


def _poller(config: Config, poller: PollerSpec) -> Iterator[Broken]:
    yield from _kind(poller)
    yield from _events(config, poller)
    tracks = {sink.tracks for sink in config.sinks.values() if sink.vendor == poller.vendor and sink.tracks is not None}
    if poller.follows is not None and tracks and poller.follows not in tracks:
        message = f"must be {' or '.join(sorted(tracks))}, where {poller.vendor}'s sink tracks its orders"
        yield _in_worker(poller.name, "follows", message)
    if not (poller.follows or poller.sets) and poller.forget_after <= poller.rest:
        yield _in_worker(poller.name, "forget_after", "must be more than rest")
    shards = max(1, len(getattr(poller.options, "accounts", ())))
    for state in _there(config, (poller.state,)):
        if poller.follows is None and state.partitions != shards:
            message = f"must be {shards}, one for each account of {poller.name}: a partition is a shard of its work"
            yield _in_topic(state, "partitions", message)


def _kind(poller: PollerSpec) -> Iterator[Broken]:
    """A key that only the other kinds of pollers read would have no effect."""
    vendor = load(poller.vendor)
    if vendor.poller_follows:
        kind, others = "polls orders one by one", WINDOW_KEYS | SET_KEYS
    elif vendor.sets:
        kind, others = "reads sets", ORDER_KEYS | {"every", "rest"}
    else:
        kind, others = "reads what changed in a time range", ORDER_KEYS | SET_KEYS
    for key in sorted(poller.model_fields_set & others):
        yield _in_worker(poller.name, key, f"not for {poller.name}, which {kind}; take it out")
    if vendor.sets:
        yield from _sets(poller, {one.name: one for one in vendor.sets})


def _sets(poller: PollerSpec, known: Mapping[str, VendorSet]) -> Iterator[Broken]:
    if not poller.sets:
        yield _in_worker(poller.name, "sets", f"must name one at least: {', '.join(known)}")
    for name in poller.sets:
        whole = known[name].part_of if name in known else None
        if name not in known:
            yield Broken(("workers", poller.name, "sets", name), f"sets: no set '{name}'{did_you_mean(name, known)}")
        elif whole is not None and whole not in poller.sets:
            message = f"sets: must name '{whole}' too, of which {name} are parts"
            yield Broken(("workers", poller.name, "sets", name), message)


def _events(config: Config, poller: PollerSpec) -> Iterator[Broken]:
    """Every kind of event that the poller publishes must have a topic, and every topic must be of one of them."""
    kinds = _published(poller)
    found = [_record_name(config.topics.get(name)) for name in poller.publishes]
    for i, kind in enumerate(found):
        if kind is not None and kind not in kinds:
            message = f"publishes: '{poller.publishes[i]}' holds {kind}, which {poller.name} does not publish"
            yield Broken(("workers", poller.name, "publishes", i), message)
    for kind in sorted(kinds.difference(found)) if None not in found else ():
        message = f"must name a topic of {kind} too, or {poller.name} could not publish these"
        yield _in_worker(poller.name, "publishes", message)


def _published(poller: PollerSpec) -> set[str]:
    """The kinds of events, by their schemas' records."""
    vendor = load(poller.vendor)
    if vendor.sets:
        return {one.publishes for one in vendor.sets if one.publishes is not None and one.name in poller.sets}
    return {ORDER_STAGE_CHANGED.record, *([COURIER_ORDER_EVENT.record] if vendor.poller_follows else [])}


def _record_name(topic: TopicSpec | None) -> str | None:
    """The name of the topic's record; None: it cannot be read, which is a fault of its own."""
    if topic is None or topic.schema_file is None or not topic.schema_file.is_file():
        return None
    try:
        return load_topic(topic.name, topic.schema_file).today.name
    except SchemaError:
        return None


def _budgets(config: Config) -> Iterator[Broken]:
    """Workers of one account share its budget: with two, one worker would take what the other keeps for writes."""
    first: dict[tuple[str, str], SinkSpec | PollerSpec] = {}
    for worker in config.workers.values():
        if worker.budget is None:
            continue
        other = first.setdefault(worker.account, worker)
        if worker.budget != other.budget:
            message = (
                f"must be that of {other.name}, whose account it shares ({worker.credentials}): it is of the account"
            )
            yield _in_worker(worker.name, "budget", message)


def _owners(topics: dict[str, str], key: str, kind: str) -> Iterator[Broken]:
    """Two workers that wrote the same topic would overwrite each other's state."""
    owners: dict[str, str] = {}
    for worker, topic in topics.items():
        owner = owners.setdefault(topic, worker)
        if owner != worker:
            yield _in_worker(worker, key, f"'{topic}' is already that of {owner}; each {kind} needs its own")
