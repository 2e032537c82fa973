"""Vendors to try and test against without an account: one module per vendor, found by its name.

A module is a simulator when it has ``simulator(options) -> Simulator``; one that takes orders has ``TERMS`` too, one
whose orders move on has ``SHOWS``. Beside them stand `server` (HTTP and faults around any vendor's behaviour) and
`faults` (the knobs).
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from workers.devkit.simulators.faults import Faults

SECRET: Final = "demo-key"  # noqa: S105 - what every user of a simulator may know


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """How a simulator starts."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    control_port: int = 0  # the knobs answer here too, even while the vendor is down
    secret: str = SECRET
    keep_content: bool = True  # False: of an order only its id and status are kept, for long runs
    faults: Faults = field(default_factory=Faults)


class Simulator(Protocol):
    """A vendor's imitation that listens on loopback."""

    async def start(self) -> str:
        """Listen; return the base URL."""

    async def stop(self) -> None:
        """Close everything; what hangs is cancelled."""

    @property
    def control_url(self) -> str:
        """Where ``/_sim/faults``, ``/_sim/stats``, ``/_sim/orders`` and ``/_sim/log`` answer, whatever the faults."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What whoever sends a simulator orders, and counts them there, must know of its vendor."""

    variables: Mapping[str, str]  # lead a worker to it, beside BASE_URL; without the worker's prefix
    number: Callable[[str, Any], str]  # (order id, the sink's options): under which number the vendor has the order
    due: Callable[[Mapping[str, Any], Sequence[str]], str | None]
    """(order, its statuses in sequence): the state that it should have at the vendor; None: it should not be there."""
    state: Callable[[Mapping[str, Any]], str]  # of an order, as ``/_sim/orders`` shows it


@dataclass(frozen=True, slots=True)
class Shows:
    """What whoever compares a poller's events with a simulator must know of what ``/_sim/orders`` shows."""

    lively: Mapping[str, Any]  # the knobs that make its orders move on
    stage: Callable[[Mapping[str, Any]], str]  # of an order: its code, or its name where it has none
    happenings: Callable[[Mapping[str, Any]], frozenset[tuple[str, ...]]]  # of an order: the identity of each


class UnknownSimulatorError(LookupError):
    """There is no simulator of that name."""


def names() -> list[str]:
    """Return the vendors that have a simulator."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in modules if _maker(name) is not None)


def load(name: str) -> Callable[[SimulatorOptions], Simulator]:
    """Return the maker of the vendor's simulator; raises `UnknownSimulatorError`."""
    maker = _maker(name) if re.fullmatch(r"[a-z][a-z0-9_]*", name) else None
    if maker is None:
        raise UnknownSimulatorError(name)
    return maker


def terms(name: str) -> Terms:
    """Return the terms of a vendor that takes orders; raises `UnknownSimulatorError`."""
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "TERMS", None) if name in names() else None
    if not isinstance(found, Terms):
        raise UnknownSimulatorError(name)
    return found


def shows(name: str) -> Shows:
    """Return what a vendor shows whose orders move on; raises `UnknownSimulatorError`."""
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "SHOWS", None) if name in names() else None
    if not isinstance(found, Shows):
        raise UnknownSimulatorError(name)
    return found


def _maker(name: str) -> Callable[[SimulatorOptions], Simulator] | None:
    path = f"{__name__}.{name}"
    try:
        module: Any = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        return None
    maker: Callable[[SimulatorOptions], Simulator] | None = getattr(module, "simulator", None)
    return maker
