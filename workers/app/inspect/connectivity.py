"""Connects to everything that the configuration names, by harmless reads, and reports what answered."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from workers.app.config.configuration import Configuration
from workers.app.config.credentials import VendorCredentials
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.app.events.schemas import opened_registry
from workers.app.runtime.build import build_client
from workers.app.runtime.rights import WITHIN_S, rights_fault
from workers.app.topics.apply import plan_topics
from workers.core.counted import counted
from workers.core.delivery import outcome as outcomes
from workers.edges.aio import run_in_daemon_thread
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
from workers.edges.kafka.client import KafkaFailed
from workers.vendors.contract import Flow, LoginFailed, MaybeSent, NotSent, load

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One outside system and how it answered."""

    what: str  # ``Kafka``, ``registry``, or the worker's name
    where: str  # its address
    ok: bool
    message: str


async def check_all(configuration: Configuration, names: Iterable[str]) -> list[CheckResult]:
    """Check Kafka, the registry if there is one, and the vendor of each named worker, all at once."""
    specs = [configuration.config.workers[name] for name in names]
    vendors = (_vendor(configuration, spec) for spec in specs)
    rights = (_rights(configuration, spec) for spec in specs)
    # Kafka's client blocks its thread: in a thread of its own, the other checks go on.
    kafka = run_in_daemon_thread(lambda: asyncio.run(_kafka(configuration)), WITHIN_S)
    found = await asyncio.gather(kafka, *rights, _registry(configuration), *vendors)
    return [result for result in found if result is not None]


async def _kafka(configuration: Configuration) -> CheckResult:
    where = ",".join(configuration.settings.kafka.bootstrap)
    try:
        differences = await plan_topics(configuration)
    except KafkaFailed as error:
        return CheckResult("Kafka", where, ok=False, message=str(error))
    except (RegistryUnavailable, RegistryRefused):
        message = "answers; its topics were not compared, because the registry fails"
        return CheckResult("Kafka", where, ok=True, message=message)
    if differences:
        message = f"answers; {counted(len(differences), 'difference')} to topics.yaml: `relay topics plan` lists them"
        return CheckResult("Kafka", where, ok=False, message=message)
    return CheckResult("Kafka", where, ok=True, message="answers; its topics are as topics.yaml says")


async def _rights(configuration: Configuration, spec: SinkSpec | PollerSpec) -> CheckResult | None:
    """None: nothing is missing, or Kafka does not answer, which is another line."""
    try:
        fault = await rights_fault(spec, configuration.settings)
    except KafkaFailed:
        return None
    where = ",".join(configuration.settings.kafka.bootstrap)
    return None if fault is None else CheckResult("Kafka", where, ok=False, message=fault)


async def _registry(configuration: Configuration) -> CheckResult | None:
    settings = configuration.settings.registry
    async with opened_registry(settings) as registry:
        if registry is None or settings is None:
            return None
        try:
            await registry.latest("order-created-value")
        except (RegistryUnavailable, RegistryRefused) as error:
            return CheckResult("registry", settings.url, ok=False, message=str(error))
    return CheckResult("registry", settings.url, ok=True, message="answers")


async def _vendor(configuration: Configuration, spec: SinkSpec | PollerSpec) -> CheckResult:
    credentials = configuration.credentials[spec.name]
    where = credentials["BASE_URL"]
    vendor = load(spec.vendor)
    make: Any = (vendor.poller or vendor.order_poller) if isinstance(spec, PollerSpec) else vendor.sink
    assert make is not None, "topics.yaml holds only workers whose vendor has that side"
    outcome: outcomes.Outcome = await ask_vendor(spec, credentials, make(spec.options, credentials).check())
    return CheckResult(
        spec.name, where, ok=isinstance(outcome, outcomes.Delivered), message=_message(outcome, spec, credentials)
    )


async def ask_vendor(
    spec: SinkSpec | PollerSpec, credentials: VendorCredentials, flow: Flow[R]
) -> R | outcomes.Outcome:
    """Run one harmless flow with the worker's account; that no answer came is an outcome, too."""
    client = build_client(spec, load(spec.vendor), credentials)
    try:
        return await client.run(flow)
    except NotSent as error:
        return outcomes.Unavailable(f"cannot be reached: {error}")
    except MaybeSent as error:
        return outcomes.Unknown(f"gives no answer: {error}")
    except LoginFailed as failed:
        return failed.outcome
    finally:
        await client.close()


def _secrets(spec: SinkSpec | PollerSpec, credentials: VendorCredentials) -> str:
    """Where the vendor's login comes from: its variables, or their files."""
    login = [one.name for one in load(spec.vendor).variables if one.secret or one.name == "USERNAME"]
    return ", ".join(credentials.place(name, spec.credentials) for name in login if credentials[name])


def _message(outcome: outcomes.Outcome, spec: SinkSpec | PollerSpec, credentials: VendorCredentials) -> str:
    match outcome:
        case outcomes.Delivered():
            return "answers; the address and the credentials are right"
        case outcomes.Denied(reason):
            return f"refuses the credentials: {reason}; check {_secrets(spec, credentials)}"
        case outcomes.Throttled(after):
            wait = "later" if after is None else f"in {after:.0f} s"
            return f"answers, but asks to be called less often; try again {wait}"
        case outcomes.Unavailable(reason) | outcomes.Unknown(reason) | outcomes.Skipped(reason):
            return f"{reason}; check {spec.credentials}_BASE_URL, and proxies and firewalls on the way"
        case outcomes.Rejected(detail) | outcomes.UnknownOrder(detail):
            return f"gives an answer that its documentation does not describe for this read: {detail}"
        case _:
            assert_never(outcome)
