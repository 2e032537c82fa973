"""Reads and validates topics.yaml: each fault with file, line and column, or with the variable that holds the value."""

import pkgutil
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from workers import vendors
from workers.app.config.errors import ConfigError, Fault, Keys, did_you_mean, message_of, validate
from workers.app.config.overrides import model_keys, override, unknown_key, worker_keys
from workers.app.config.rules import Broken, broken_rules
from workers.app.config.specs import INNER, Config, TopicSpec, is_poller, options_of
from workers.app.config.yaml_document import Document, read_document
from workers.vendors.contract import UnknownVendorError, Vendor, load

MIN_INSYNC = "min.insync.replicas"
SET_DEFAULTS = {"lookback": "400d", "max_in_flight": 1}  # a set is read as a whole, and its vendor counts or queues
SECTIONS = ("version", "topics", "workers")


def read_config(
    path: Path, environ: Mapping[str, str], *, replication_factor: int | None = None
) -> tuple[Config | None, list[Fault]]:
    """Read the file and its faults, for `relay check`, which goes on to the rest of the configuration.

    With faults, the result holds only what could be read, and is good for finding more of them.
    """
    try:
        document = read_document(path)
    except ConfigError as error:
        return None, list(error.faults)
    faults = [*_section_faults(document), *override(document, environ)]
    topics = {name: _topic(document, name, block) for name, block in _section(document, "topics").items()}
    tree = {"file": path, "version": 1, "topics": topics, "workers": _workers(document, faults)}
    found, errors = validate(Config, tree)
    misspelt = {error["loc"][:2] for error in errors if error["type"] == "extra_forbidden"}
    causes = [error for error in errors if error["type"] != "missing" or error["loc"][:2] not in misspelt]
    faults += [_fault(document, error) for error in causes]
    assert found is not None, "a section may be empty"
    found = found if replication_factor is None else _replicated(found, replication_factor)
    found = _without_undeclared_receipts(found, document, declared=topics)
    if isinstance(document.data.get("topics"), dict):  # else each rule would name a topic that is not there
        faults += _rule_faults(document, broken_rules(found, declared=topics), misspelt, found.workers)
    return found, faults


def _rule_faults(
    document: Document, broken: Iterable[Broken], misspelt: Collection[Keys], workers: Collection[str]
) -> Iterator[Fault]:
    """One fault for each thing to change: what lacks its key because the key is misspelt has its fault already."""
    seen: set[tuple[Keys, str]] = set()
    for keys, message in broken:
        what = re.sub("|".join(map(re.escape, workers)), "", message)  # two workers may need the same of one topic
        is_missing = len(keys) == 2 or not document.has(keys)  # noqa: PLR2004 - section and block
        if (keys, what) not in seen and not (is_missing and keys[:2] in misspelt):
            seen.add((keys, what))
            yield document.fault(keys, message)


def _section_faults(document: Document) -> Iterator[Fault]:
    known = [(section,) for section in SECTIONS]
    for key in document.data:
        if key not in SECTIONS:
            yield document.fault((key,), unknown_key((key,), known))
    if document.data.get("version") != 1:
        yield document.fault(("version",), "must be 'version: 1', the only version that this relay reads")
    for key in ("topics", "workers"):
        if not isinstance(document.data.get(key), dict):
            yield document.fault((key,), f"must be a map '{key}:' with a block for each")
        yield from _inner_faults(document, key)


def _inner_faults(document: Document, section: str) -> Iterator[Fault]:
    """Take out the keys that only this program sets."""
    for name, block in _section(document, section).items():
        for key in sorted(INNER & block.keys()) if isinstance(block, dict) else ():
            del block[key]
            yield document.fault((section, name, key), unknown_key((key,), []))


def _section(document: Document, name: str) -> dict[str, Any]:
    found = document.data.get(name)
    return found if isinstance(found, dict) else {}


def _topic(document: Document, name: str, block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    schema = block.get("schema")
    path = document.file.parent.resolve() / schema if isinstance(schema, str) else schema
    return {**block, "name": name} | ({"schema": path} if schema is not None else {})


def _workers(document: Document, faults: list[Fault]) -> dict[str, Any]:
    """The workers' blocks, with the vendor's defaults and the vendor's own keys apart; without those of no vendor."""
    found: dict[str, Any] = {}
    for name, block in _section(document, "workers").items():
        vendor = _vendor(document, name, block) if isinstance(block, dict) else None
        match vendor:
            case Vendor():
                found[name] = _worker(vendor, name, block)
            case Fault():
                faults.append(vendor)
            case None:
                found[name] = block
    return found


def _vendor(document: Document, name: str, block: dict[str, Any]) -> Vendor | Fault:
    """The worker's vendor, if this relay has the side of it that the block asks for."""
    keys = ("workers", name)
    if "vendor" not in block:
        return document.fault(keys, "key 'vendor' is missing")
    try:
        vendor = load(str(block["vendor"]))
    except UnknownVendorError:
        message = f"no such vendor{did_you_mean(str(block['vendor']), vendor_names())}"
        return document.fault((*keys, "vendor"), message)
    side, is_made = ("poller", vendor.polls) if is_poller(block) else ("sink", vendor.sink is not None)
    if not is_made:
        message = f"this relay has no {side} for {vendor.title}; take the worker out, or use a release that has one"
        return document.fault(keys, message)
    return vendor


def vendor_names() -> list[str]:
    """Every vendor that this relay knows: the folders of workers/vendors."""
    folders = pkgutil.iter_modules(vendors.__path__)
    return [folder.name for folder in folders if folder.ispkg and not folder.name.startswith("_")]


def _worker(vendor: Vendor, name: str, block: dict[str, Any]) -> dict[str, Any]:
    poller = is_poller(block)
    options = options_of(vendor, poller=poller)
    own = options.model_fields if options else {}
    shared = {key: value for key, value in block.items() if key not in own}
    given = {key: value for key, value in block.items() if key in own}
    return {**vendor_defaults(vendor, poller=poller), **shared, "name": name, "options": given}


def vendor_defaults(vendor: Vendor, *, poller: bool) -> dict[str, Any]:
    """What a block without these keys means, by its vendor."""
    found: dict[str, Any] = {"credentials": vendor.name.upper()}
    if vendor.requests_a_day is not None:
        found["budget"] = {"requests": vendor.requests_a_day}
    if not poller:
        found["parks"] = f"{vendor.name}-parked"
        return found | ({"tracks": f"{vendor.name}-tracked-orders"} if vendor.tracks else {})
    found["state"] = f"{vendor.name}-poll-state"
    if vendor.sets:
        found |= {"sets": {one.name: {"every": f"{one.every_s:g}s"} for one in vendor.sets}, **SET_DEFAULTS}
    return found | ({"follows": f"{vendor.name}-tracked-orders", "every": "30s"} if vendor.poller_follows else {})


def _without_undeclared_receipts(found: Config, document: Document, declared: Collection[str]) -> Config:
    """A file of the release before names no receipts, and has no topic for them: its sinks work as they did."""
    workers = {
        name: spec.model_copy(update={"receipts": None})
        for name, spec in found.sinks.items()
        if spec.receipts not in declared and not document.has(("workers", name, "receipts"))
    }
    return found.model_copy(update={"workers": found.workers | workers})


def _replicated(found: Config, factor: int) -> Config:
    """Apply ``RELAY_REPLICATION_FACTOR``. No more replicas can be in sync than there are."""
    topics = {}
    for name, topic in found.topics.items():
        config = dict(topic.config)
        if config.get(MIN_INSYNC, "").isdecimal():
            config[MIN_INSYNC] = str(min(int(config[MIN_INSYNC]), factor))
        topics[name] = topic.model_copy(update={"replication_factor": factor, "config": config})
    return found.model_copy(update={"topics": topics})


def _fault(document: Document, error: ErrorDetails) -> Fault:
    section, name, *rest = error["loc"]
    rest = rest[1:] if rest[:1] == ["options"] else rest
    keys: Keys = (section, name, *rest)
    way = tuple(str(key) for key in rest)
    if error["type"] == "extra_forbidden":
        return document.fault(keys, unknown_key(way, _known_keys(document, str(section), str(name))))
    if error["type"] == "missing":
        return document.fault(keys, f"key '{way[-1]}' is missing")
    return document.fault(keys, f"{'.'.join(way) or name}: {message_of(error)}")


def _known_keys(document: Document, section: str, name: str) -> list[tuple[str, ...]]:
    if section == "topics":
        return list(model_keys(TopicSpec))
    block = document.data["workers"][name]
    return worker_keys(load(str(block["vendor"])), block)
