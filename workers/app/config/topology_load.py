"""Reads topics.yaml: each fault with file, line and column, or the name of the variable that brought it in."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workers import vendors
from workers.app.config.errors import ConfigError, Fault, did_you_mean
from workers.app.config.topology import PollerSpec, SinkSpec, TopicSpec, Topology
from workers.app.config.topology_keys import INNER, is_poller, model_keys, unknown_key, worker_keys
from workers.app.config.topology_overrides import override
from workers.app.config.topology_poller_rules import poller_faults
from workers.app.config.topology_sink_rules import cross_faults
from workers.app.config.topology_yaml import Document, Keys, read_document
from workers.vendors.contract import UnknownVendorError, Vendor, load

M = TypeVar("M", bound=BaseModel)

MIN_INSYNC = "min.insync.replicas"
SECTIONS = ("version", "topics", "workers")


def load_topology(path: Path, environ: Mapping[str, str], *, replication_factor: int | None = None) -> Topology:
    """Read topics.yaml with the environment's overrides; raises `ConfigError` with every fault in it."""
    topology, faults = read_topology(path, environ, replication_factor=replication_factor)
    if topology is None or faults:
        raise ConfigError(faults)
    return topology


def read_topology(
    path: Path, environ: Mapping[str, str], *, replication_factor: int | None = None
) -> tuple[Topology | None, list[Fault]]:
    """Read the topology and its faults, for `relay check`, which goes on to the rest.

    With faults the topology is only what could be read, and good for finding more of them.
    """
    try:
        document = read_document(path)
    except ConfigError as error:
        return None, list(error.faults)
    _sections(document)
    document.faults += override(document, environ)
    topics = _topics(document, replication_factor)
    sinks, pollers = _workers(document)
    document.faults += cross_faults(document, topics, sinks)
    document.faults += poller_faults(document, topics, sinks, pollers)
    return Topology(1, path, topics, sinks, pollers), document.faults


def _sections(document: Document) -> None:
    for key in document.data:
        if key not in SECTIONS:
            document.wrong((key,), unknown_key((key,), [(section,) for section in SECTIONS]))
    if document.data.get("version") != 1:
        document.wrong(("version",), "'version: 1' is wanted: the only version that this relay reads")
    for key in ("topics", "workers"):
        if not isinstance(document.data.get(key), dict):
            document.wrong((key,), f"a map '{key}:' with a block for each is wanted")


def _blocks(document: Document, section: str) -> Iterator[tuple[Keys, str, dict[str, Any]]]:
    found = document.data.get(section)
    for name, block in found.items() if isinstance(found, dict) else ():
        if isinstance(block, dict):
            for key in sorted(INNER & block.keys()):
                document.wrong((section, name, key), unknown_key((key,), []))
            yield (section, name), name, block
        else:
            document.wrong((section, name), f"a block of keys is wanted under '{name}'")


def _topics(document: Document, replication_factor: int | None) -> dict[str, TopicSpec]:
    topics: dict[str, TopicSpec] = {}
    known = list(model_keys(TopicSpec, INNER))
    for keys, name, block in _blocks(document, "topics"):
        spec = _model(document, keys, TopicSpec, _topic_block(document, name, block), known=known)
        if spec is not None:
            topics[name] = _replicated(spec, replication_factor)
    return topics


def _topic_block(document: Document, name: str, block: dict[str, Any]) -> dict[str, Any]:
    schema = block.get("schema")
    path = document.file.parent.resolve() / schema if isinstance(schema, str) else schema
    return {**block, "name": name} | ({"schema": path} if schema is not None else {})


def _replicated(spec: TopicSpec, replication_factor: int | None) -> TopicSpec:
    """Apply ``RELAY_REPLICATION_FACTOR``: what must be in sync cannot be more than there is."""
    if replication_factor is None:
        return spec
    config = dict(spec.config)
    if config.get(MIN_INSYNC, "").isdecimal():
        config[MIN_INSYNC] = str(min(int(config[MIN_INSYNC]), replication_factor))
    return spec.model_copy(update={"replication_factor": replication_factor, "config": config})


def _workers(document: Document) -> tuple[dict[str, SinkSpec], dict[str, PollerSpec]]:
    sinks: dict[str, SinkSpec] = {}
    pollers: dict[str, PollerSpec] = {}
    for keys, name, block in _blocks(document, "workers"):
        vendor = _vendor(document, keys, block)
        spec = None if vendor is None else _worker(document, keys, vendor, {**block, "name": name})
        match spec:
            case SinkSpec():
                sinks[name] = spec
            case PollerSpec():
                pollers[name] = spec
            case None:
                pass
    return sinks, pollers


def _vendor(document: Document, keys: Keys, block: dict[str, Any]) -> Vendor | None:
    """Load the worker's vendor, if this relay has the side of it that the block asks for."""
    if "vendor" not in block:
        document.wrong(keys, "key 'vendor' is missing")
        return None
    try:
        vendor = load(str(block["vendor"]))
    except UnknownVendorError:
        names = [
            module.name
            for module in pkgutil.iter_modules(vendors.__path__)
            if module.ispkg and not module.name.startswith("_")
        ]
        document.wrong((*keys, "vendor"), f"no such vendor{did_you_mean(str(block['vendor']), names)}")
        return None
    side, made = ("poller", vendor.poller) if is_poller(block) else ("sink", vendor.sink)
    if made is None:
        message = f"this relay has no {side} for {vendor.title}; take the worker out, or use a release that has one"
        document.wrong(keys, message)
        return None
    return vendor


def _worker(document: Document, keys: Keys, vendor: Vendor, block: dict[str, Any]) -> SinkSpec | PollerSpec | None:
    known = worker_keys(vendor, block)
    if is_poller(block):
        rest = {"credentials": vendor.name.upper(), "state": f"{vendor.name}-poll-state"}
        if vendor.poller_follows:
            rest |= {"follows": f"{vendor.name}-tracked-orders", "every": "30s"}
        return _spec(document, keys, PollerSpec, vendor.poller_options, rest | block, known)
    rest = {"parks": f"{vendor.name}-parked", "credentials": vendor.name.upper()}
    if vendor.tracks:
        rest["tracks"] = f"{vendor.name}-tracked-orders"
    return _spec(document, keys, SinkSpec, vendor.sink_options, rest | block, known)


def _spec(  # noqa: PLR0917 - one caller, above
    document: Document,
    keys: Keys,
    model: type[M],
    options: type[BaseModel] | None,
    block: dict[str, Any],
    known: list[tuple[str, ...]],
) -> M | None:
    theirs = {way[0] for way in model_keys(options)} if options else set()
    spec = _model(document, keys, model, {key: value for key, value in block.items() if key not in theirs}, known=known)
    if options is None:
        return spec
    own = {key: value for key, value in block.items() if key in theirs}
    made = _model(document, keys, options, own, known=known)
    return None if spec is None or made is None else spec.model_copy(update={"options": made})


def _model(
    document: Document, keys: Keys, model: type[M], data: dict[str, Any], *, known: list[tuple[str, ...]]
) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    for detail in details:
        document.wrong((*keys, *detail["loc"]), _message(detail, known))
    return _without(model, data, {detail["loc"][0] for detail in details if detail["loc"]})


def _without(model: type[M], data: dict[str, Any], wrong: set[str | int]) -> M | None:
    """Make the model of what is right in a block: the checks between blocks then find their faults in the same run."""
    try:
        return model.model_validate({key: value for key, value in data.items() if key not in wrong})
    except ValidationError:
        return None


def _message(error: ErrorDetails, known: list[tuple[str, ...]]) -> str:
    way = tuple(str(key) for key in error["loc"])
    if error["type"] == "extra_forbidden":
        return unknown_key(way, known)
    if error["type"] == "missing":
        return f"key '{way[-1]}' is missing"
    return f"{'.'.join(way)}: {_wanted(error)}"


_WANTED = {
    "string_type": "a text is wanted; put it in quotes if it looks like a number",
    "string_pattern_mismatch": "letters, digits, '.', '_' and '-' are wanted (a prefix of variables: capitals, '_')",
    "tuple_type": "a list is wanted, such as [order-created, order-status]",
    "dict_type": "a block of keys is wanted",
    "model_type": "a block of keys is wanted",
    "too_short": "at least one is wanted",
    "greater_than": "more than 0 is wanted",
    "greater_than_equal": "{ge:g} or more is wanted",
    "less_than_equal": "at most {le:g} is wanted",
    "path_type": "the path of a file is wanted",
    "bool_parsing": "true or false is wanted",
}


def _wanted(error: ErrorDetails) -> str:
    """Say what is wanted; never what stands there, which may have come from the environment."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if "expected" in context:
        return f"{context['expected']} is wanted"
    return _WANTED[error["type"]].format(**context) if error["type"] in _WANTED else error["msg"]
