"""Connects to everything that the configuration names, by harmless reads, and reports what answered."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

import httpx

from workers.app.config.configuration import Configuration
from workers.app.config.credentials import VendorCredentials
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.app.events.schemas import opened_registry
from workers.app.poll.vendor_reads import MAX_SKEW_MS
from workers.app.runtime.build import build_client
from workers.app.runtime.rights import WITHIN_S, rights_fault
from workers.app.topics.apply import plan_topics
from workers.core.counted import counted
from workers.core.delivery import outcome as outcomes
from workers.edges.aio import run_in_daemon_thread
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
from workers.edges.http.client import Observer
from workers.edges.http.session import Send
from workers.edges.kafka.client import KafkaFailed
from workers.vendors._shared.answers import http_date
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
    clock = VendorClock()
    outcome: outcomes.Outcome = await ask_vendor(spec, credentials, make(spec.options, credentials).check(), clock)
    remarks = [
        _message(outcome, spec, credentials),
        *(outcome.remarks if isinstance(outcome, outcomes.Delivered) else ()),
    ]
    if isinstance(spec, PollerSpec) and clock.remark is not None:  # a poller's windows are of the vendor's time
        remarks.append(clock.remark)
    return CheckResult(spec.name, where, ok=isinstance(outcome, outcomes.Delivered), message="; ".join(remarks))


@dataclass(slots=True)
class VendorClock:
    """Sends a flow's requests, and compares the ``Date`` of each answer with this host's clock."""

    ahead_s: float | None = None  # None: no answer had a date

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        del resend
        began = time.time()
        response = await send(request)
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            self.ahead_s = date.timestamp() + 0.5 - (began + time.time()) / 2  # a Date is whole seconds, rounded down
        return response

    @property
    def remark(self) -> str | None:
        """What an operator should know; None: the clocks agree well enough."""
        if self.ahead_s is None or abs(self.ahead_s) * 1000 <= MAX_SKEW_MS:
            return None
        way = "ahead of" if self.ahead_s > 0 else "behind"
        return f"its clock is {abs(self.ahead_s):.0f} s {way} this host's: check which one is right"


async def ask_vendor(
    spec: SinkSpec | PollerSpec, credentials: VendorCredentials, flow: Flow[R], observer: Observer | None = None
) -> R | outcomes.Outcome:
    """Run one harmless flow with the worker's account; that no answer came is an outcome, too."""
    client = build_client(spec, load(spec.vendor), credentials)
    try:
        return await client.run(flow, observer)
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
