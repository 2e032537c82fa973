"""Reaches everything that the configuration names, by harmless reads, and says what answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, assert_never

from workers.app.config.configuration import Configuration
from workers.app.config.topology import PollerSpec, SinkSpec
from workers.app.events.schemas import open_registry
from workers.app.runtime.build import build_client
from workers.app.topics.apply import plan_topics
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
from workers.edges.kafka.client import KafkaFailed
from workers.vendors.contract import LoginFailed, MaybeSent, NotSent, load


@dataclass(frozen=True, slots=True)
class Reached:
    """One outside system and what it said."""

    what: str  # ``Kafka``, ``registry``, or the worker's name
    where: str
    ok: bool
    says: str


async def reach(configuration: Configuration, names: Iterable[str]) -> list[Reached]:
    """Try Kafka, the registry if there is one, and the vendor of each named worker, all at once."""
    vendors = (_vendor(configuration, configuration.topology.workers[name]) for name in names)
    # Kafka's client blocks: in a thread, it does not hold the others up.
    kafka = asyncio.to_thread(lambda: asyncio.run(_kafka(configuration)))
    found = await asyncio.gather(kafka, _registry(configuration), *vendors)
    return [one for one in found if one is not None]


async def _kafka(configuration: Configuration) -> Reached:
    where = ",".join(configuration.settings.kafka.bootstrap)
    try:
        differences = await plan_topics(configuration)
    except KafkaFailed as error:
        return Reached("Kafka", where, ok=False, says=str(error))
    except (RegistryUnavailable, RegistryRefused):
        return Reached("Kafka", where, ok=True, says="answers; its topics were not compared: the registry fails")
    if differences:
        return Reached("Kafka", where, ok=False, says=f"answers; {len(differences)} differences: `relay topics plan`")
    return Reached("Kafka", where, ok=True, says="answers; its topics are as topics.yaml says")


async def _registry(configuration: Configuration) -> Reached | None:
    registry = open_registry(configuration.settings.registry)
    if registry is None or configuration.settings.registry is None:
        return None
    where = configuration.settings.registry.url
    try:
        await registry.latest("order-created-value")
    except (RegistryUnavailable, RegistryRefused) as error:
        return Reached("registry", where, ok=False, says=str(error))
    finally:
        await registry.close()
    return Reached("registry", where, ok=True, says="answers")


async def _vendor(configuration: Configuration, spec: SinkSpec | PollerSpec) -> Reached:
    credentials = configuration.credentials[spec.name]
    where = credentials["BASE_URL"]
    vendor = load(spec.vendor)
    make: Any = vendor.poller if isinstance(spec, PollerSpec) else vendor.sink
    assert make is not None, "a topology holds only workers whose vendor has that side"
    client = build_client(spec, vendor, credentials)
    try:
        outcome = await client.run(make(spec.options, credentials).check())
    except NotSent as error:
        outcome = Unavailable(f"cannot be reached: {error}")
    except MaybeSent as error:
        outcome = Unknown(f"gives no answer: {error}")
    except LoginFailed as failed:
        outcome = failed.outcome
    finally:
        await client.close()
    return Reached(spec.name, where, ok=isinstance(outcome, Delivered), says=_words(outcome, spec))


def _words(outcome: Outcome, spec: SinkSpec | PollerSpec) -> str:
    match outcome:
        case Delivered():
            return "answers; address and key are right"
        case Denied(reason):
            return f"refuses us: {reason}; check the variables {spec.credentials}_..."
        case Throttled(after):
            return f"answers, and asks for patience ({'a while' if after is None else f'{after:.0f} s'}); try again"
        case Unavailable(reason) | Unknown(reason) | Skipped(reason):
            return f"{reason}; check {spec.credentials}_BASE_URL, and that nothing stands in between"
        case Rejected(detail) | UnknownOrder(detail):
            return f"answers what its documentation does not say for this read: {detail}"
        case _:
            assert_never(outcome)
