"""Simulated vendors, to try and test against without an account: one module per vendor, found by its name.

A module is a simulator when it has ``simulator(options) -> Simulator``. A vendor that takes orders has ``SINK_SIDE``
too, one whose orders change by themselves ``POLLER_SIDE``. `server` has HTTP and the faults, `faults` the knobs.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from workers.devkit.simulators.faults import Faults

SECRET: Final = "demo-key"  # noqa: S105 - no secret


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """How a simulator starts."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    control_port: int = 0  # /_sim/ answers here too, even while the vendor is down
    secret: str = SECRET
    keep_content: bool = True  # False: of an order only its id and status are kept, for benchmarks
    faults: Faults = field(default_factory=Faults)


class Simulator(Protocol):
    """A simulated vendor that listens on loopback."""

    async def start(self) -> str:
        """Listen; return the base URL."""

    async def stop(self) -> None:
        """Close everything; requests that hang are cancelled."""

    @property
    def control_url(self) -> str:
        """Where ``/_sim/faults``, ``/_sim/stats``, ``/_sim/orders`` and ``/_sim/log`` answer, whatever the faults."""


@dataclass(frozen=True, slots=True)
class SinkSide:
    """What the demo must know to send a simulated vendor orders and to count them there."""

    variables: Mapping[str, str]  # that a sink needs in addition to BASE_URL, without the worker's prefix
    order_number: Callable[[str, Any], str]  # (order id, the sink's options): the vendor's order number
    expected_state: Callable[[Mapping[str, Any], Sequence[str]], str | None]
    """(order, its statuses in sequence): the state that the vendor should have; None: it should not have the order."""
    state: Callable[[Mapping[str, Any]], str]  # of an order in ``/_sim/orders``
    # (number, order) of ``/_sim/orders``: the order's number as `order_number` gives it; None: it is no sink's
    number_of: Callable[[str, Mapping[str, Any]], str | None] = lambda number, _: number


@dataclass(frozen=True, slots=True)
class PollerSide:
    """What the demo must know to compare a poller's events with ``/_sim/orders``."""

    busy_faults: Mapping[str, Any]  # the knobs that make orders change by themselves
    stage: Callable[[Mapping[str, Any]], str]  # of an order: its code, or its name where it has none
    event_ids: Callable[[Mapping[str, Any]], frozenset[tuple[str, ...]]]  # of an order: the identity of each
    variables: Mapping[str, str]  # that a poller needs in addition to BASE_URL, without the worker's prefix


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


def sink_side(name: str) -> SinkSide:
    """Return the `SinkSide` of a vendor; raises `UnknownSimulatorError`, also for one that takes no orders."""
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "SINK_SIDE", None) if name in names() else None
    if not isinstance(found, SinkSide):
        raise UnknownSimulatorError(name)
    return found


def poller_side(name: str) -> PollerSide:
    """Return the `PollerSide` of a vendor; raises `UnknownSimulatorError`, also for one whose orders never change."""
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "POLLER_SIDE", None) if name in names() else None
    if not isinstance(found, PollerSide):
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
