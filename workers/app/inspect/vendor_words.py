"""Asks each vendor for one order, and compares its word with what the relay has delivered and published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.app.config.configuration import Configuration
from workers.app.config.errors import ConfigError
from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.inspect.connectivity import ask_vendor
from workers.app.inspect.known_order import KnownOrder
from workers.core.delivery import outcome as outcomes
from workers.vendors.asking import Asked, VendorWord
from workers.vendors.contract import load


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one worker's vendor."""

    worker: str
    vendor: str  # as its owner spells it
    word: VendorWord | None = None
    fault: str = ""  # why there is no word
    asked: bool = True  # False: a variable of the worker is not set here

    @property
    def is_as_expected(self) -> bool:
        return not self.asked or (self.word is not None and not self.word.differing)


def workers_to_ask(config: Config) -> list[str]:
    """Every sink whose vendor can be asked, and the pollers of vendors without a sink: one read for each account."""
    able = {vendor for vendor in _vendors(config) if load(vendor).ask is not None}
    sinks = [spec for spec in config.sinks.values() if spec.vendor in able]
    served = {spec.vendor for spec in sinks}
    pollers = [spec for spec in config.pollers.values() if spec.vendor in able - served]
    return [spec.name for spec in (*sinks, *pollers)]


async def ask_vendors(
    configurations: Mapping[str, Configuration | ConfigError], order_id: str, known: KnownOrder
) -> Sequence[Heard]:
    """Ask all of them at once; ``configurations``: by worker, with its variables, or what is missing of them."""
    return await asyncio.gather(*(_ask(found, name, order_id, known) for name, found in configurations.items()))


def _vendors(config: Config) -> set[str]:
    return {spec.vendor for spec in config.workers.values()}


async def _ask(configuration: Configuration | ConfigError, name: str, order_id: str, known: KnownOrder) -> Heard:
    if isinstance(configuration, ConfigError):
        return Heard(name, name, fault=f"not asked: {configuration.faults[0]}", asked=False)
    spec = configuration.config.workers[name]
    vendor, credentials = load(spec.vendor), configuration.credentials[spec.name]
    number = _number(spec, order_id, known)
    if number is None:
        return Heard(spec.name, vendor.title, fault="its number of the order is in another field, and not known yet")
    assert vendor.ask is not None, "only workers whose vendor can be asked are"
    published = known.published.get(spec.vendor)
    options = next(_poller_options(configuration.config, spec.vendor), None)
    delivered = [one.event for one in sorted(known.delivered[spec.name], key=lambda one: one.at_ms)]
    asked = Asked(order_id, number, delivered, published, options)
    found = await ask_vendor(configuration, spec, vendor.ask(spec.options, credentials, asked))
    if isinstance(found, VendorWord):
        return Heard(spec.name, vendor.title, found)
    return Heard(spec.name, vendor.title, fault=_fault(found))


def _number(spec: SinkSpec | PollerSpec, order_id: str, known: KnownOrder) -> str | None:
    """The number that was published, or that the sink has saved, or that the options give."""
    published = known.published.get(spec.vendor)
    if published is not None:
        return str(published["order_number"])
    saved = known.numbers.get(spec.vendor)
    if saved:
        return saved[-1]
    number_by = load(spec.vendor).order_number
    return order_id if number_by is None else number_by(spec.options, order_id)


def _poller_options(config: Config, vendor: str) -> Iterator[Any]:
    return (spec.options for spec in config.pollers.values() if spec.vendor == vendor)


def _fault(outcome: outcomes.Outcome) -> str:
    match outcome:
        case outcomes.Delivered():
            return "gives an answer that cannot be compared"
        case outcomes.Rejected(detail) | outcomes.UnknownOrder(detail):
            return f"cannot be asked for this order: {detail}"
        case _:
            return outcome.reason
