"""Values of topics.yaml that the environment overrides: ``RELAY__<WORKER>__<KEY>__<KEY>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from workers.app.config.errors import Fault, did_you_mean
from workers.app.config.topology_keys import put, worker_keys
from workers.app.config.topology_yaml import Document, Keys
from workers.vendors.contract import UnknownVendorError, load

PREFIX = "RELAY__"


def variable_name(worker: str, way: tuple[str, ...] = ()) -> str:
    """The variable that sets this key of this worker."""
    return PREFIX + "__".join(part.upper().replace("-", "_") for part in (worker, *way))


def override(document: Document, environ: Mapping[str, str]) -> Iterator[Fault]:
    """Put the environment's values into ``document``, their places being the variables' names."""
    workers = document.data.get("workers")
    found = workers.items() if isinstance(workers, dict) else ()
    blocks = {name: block for name, block in found if isinstance(block, dict)}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        owner = next((name for name in blocks if variable.startswith(variable_name(name) + "__")), None)
        if owner is None:
            known = [variable_name(name) + "__..." for name in blocks]
            yield Fault(variable, f"no such worker in {document.file}{did_you_mean(variable, known)}")
        else:
            yield from _override(document, owner, blocks[owner], variable, environ[variable])


def _override(document: Document, owner: str, block: dict[str, Any], variable: str, text: str) -> Iterator[Fault]:
    try:
        ways = {variable_name(owner, way): way for way in worker_keys(load(str(block.get("vendor"))), block)}
    except UnknownVendorError:
        return  # named where the vendor stands; which keys it has cannot be known
    if variable not in ways:
        yield Fault(variable, f"unknown key{did_you_mean(variable, ways)}")
        return
    try:
        put(block, ways[variable], _value(text))
    except YAMLError:
        yield Fault(variable, "a text, or a list such as [a, b], is wanted")
    _place(document, ("workers", owner, *ways[variable]), variable)


def _place(document: Document, keys: Keys, variable: str) -> None:
    """The variable's name is the place of all that it brought: what the file had inside stands nowhere any more."""
    for inside in [each for each in document.places if each[: len(keys)] == keys]:
        del document.places[inside]
    document.places[keys] = variable


def _value(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text) if text.startswith(("[", "{")) else text
