"""Which keys topics.yaml may have, and the variables that replace values: ``RELAY__<WORKER>__<KEY>__<KEY>``."""

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel

from workers.app.config.errors import Fault, did_you_mean, nearest
from workers.app.config.specs import INNER, PollerSpec, SetSpec, SinkSpec, is_poller, options_of
from workers.app.config.yaml_document import Document, plain_value
from workers.app.config.yaml_nodes import NotReadableError
from workers.vendors.contract import UnknownVendorError, Vendor, load


def model_keys(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Each key that may be written, as the way to it; a block's own key comes before the keys in it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in INNER:
            continue
        yield (key,)
        for block in block_models(field.annotation):
            yield from ((key, *rest) for rest in model_keys(block))


def block_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The model of the block behind a key, which may be left out; none for a plain value and for named blocks."""
    if isinstance(annotation, UnionType):
        for one in get_args(annotation):
            yield from block_models(one)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def worker_keys(vendor: Vendor, block: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Each key that the worker's block may have, the vendor's own among them."""
    poller = is_poller(block)
    options = options_of(vendor, poller=poller)
    beats = [("sets", one.name, key) for one in vendor.sets for key in SetSpec.model_fields] if poller else []
    return [*model_keys(PollerSpec if poller else SinkSpec), *beats, *(model_keys(options) if options else ())]


def unknown_key(keys: tuple[str, ...], known: Sequence[tuple[str, ...]]) -> str:
    """Say that there is no such key, and which one was probably meant, at this level or another."""
    *block, key = keys
    here = sorted(way[-1] for way in known if list(way[:-1]) == block)
    close = nearest(key, here)
    if close is None:
        elsewhere: Mapping[str, tuple[str, ...]] = {way[-1]: way for way in known if list(way[:-1]) != block}
        other = nearest(key, elsewhere, cutoff=0.75)
        if other is not None:
            return f"unknown key '{key}' here; did you mean '{'.'.join(elsewhere[other])}'? Check the indentation"
    return f"unknown key '{key}'{did_you_mean(key, here)}"


PREFIX = "RELAY__"


def variable_name(worker: str, way: tuple[str, ...] = ()) -> str:
    """The variable that sets this key of this worker."""
    return PREFIX + "__".join(part.upper().replace("-", "_") for part in (worker, *way))


def override(document: Document, environ: Mapping[str, str]) -> list[Fault]:
    """Put the environment's values into ``document``; the faults of variables that name no key."""
    workers = document.data.get("workers")
    found = workers.items() if isinstance(workers, dict) else ()
    blocks = {name: block for name, block in found if isinstance(block, dict)}
    faults: list[Fault | None] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        owner = next((name for name in blocks if variable.startswith(variable_name(name) + "__")), None)
        if owner is None:
            known = [variable_name(name) + "__..." for name in blocks]
            faults.append(Fault(variable, f"no such worker in {document.file}{did_you_mean(variable, known)}"))
        else:
            faults.append(_override(document, owner, variable, environ[variable]))
    return [fault for fault in faults if fault is not None]


def _override(document: Document, owner: str, variable: str, text: str) -> Fault | None:
    block = document.data["workers"][owner]
    try:
        ways = {variable_name(owner, way): way for way in worker_keys(load(str(block.get("vendor"))), block)}
    except UnknownVendorError:
        return None  # a fault of the key 'vendor'; which other keys there are cannot be known
    if variable not in ways:
        return Fault(variable, f"unknown key{did_you_mean(variable, ways)}")
    try:
        _put(block, ways[variable], _value(text))
    except NotReadableError:
        return Fault(variable, "must be text, or a list such as [a, b]")
    document.variables["workers", owner, *ways[variable]] = variable
    return None


def _value(text: str) -> Any:
    return plain_value(text) if text.startswith(("[", "{")) else text


def _put(block: dict[str, Any], way: tuple[str, ...], value: Any) -> None:
    """Set a value deep in nested maps, making the maps on the way."""
    *blocks, key = way
    for name in blocks:
        if not isinstance(block.get(name), dict):
            block[name] = {}
        block = block[name]
    block[key] = value
