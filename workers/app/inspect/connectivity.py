"""Connects to everything that the configuration names, by harmless reads, and reports what answered."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, assert_never

import httpx

from workers.app.config.configuration import Configuration, unread_sets
from workers.app.config.credentials import VendorCredentials
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.app.events.budget_account import open_account, own_spenders
from workers.app.events.command_codec import codec_in_loop
from workers.app.events.schemas import opened_registry
from workers.app.poll.vendor_reads import MAX_SKEW_MS
from workers.app.runtime.build import build_client, wall_ms
from workers.app.runtime.rights import WITHIN_S, rights_fault
from workers.app.topics.apply import plan_topics
from workers.core.budget import Use
from workers.core.counted import counted
from workers.core.delivery import outcome as outcomes
from workers.core.redaction import redact
from workers.core.trace import Wait
from workers.edges.aio import run_in_daemon_thread
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
from workers.edges.http.client import VendorClient
from workers.edges.http.session import UNOBSERVED, Observer, Send
from workers.edges.http.variable_names import with_words
from workers.edges.kafka.client import KafkaFailed
from workers.vendors._shared.answers import http_date
from workers.vendors.commands import BudgetNow
from workers.vendors.contract import Flow, LoginFailed, MaybeSent, NotSent, load

R = TypeVar("R")

NOTABLE_S: Final = 1.0  # an answer that takes longer is worth a word


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
        fault = await rights_fault(spec, configuration)
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
    make: Any = (
        (vendor.poller or vendor.order_poller or vendor.set_poller) if isinstance(spec, PollerSpec) else vendor.sink
    )
    assert make is not None, "topics.yaml holds only workers whose vendor has that side"
    clock = VendorClock()
    outcome: outcomes.Outcome = await ask_vendor(configuration, spec, make(spec.options, credentials).check(), clock)
    message = vendor_message(outcome, spec, credentials, clock)
    return CheckResult(spec.name, where, ok=isinstance(outcome, outcomes.Delivered), message=message)


def vendor_message(
    outcome: outcomes.Outcome, spec: SinkSpec | PollerSpec, credentials: VendorCredentials, clock: "VendorClock"
) -> str:
    """What a check says of a vendor: how it answered, and what an operator should know of the worker."""
    remarks = [
        _message(outcome, spec, credentials),
        *(outcome.remarks if isinstance(outcome, outcomes.Delivered) else ()),
    ]
    if clock.slowness is not None:
        remarks.append(clock.slowness)
    if isinstance(spec, PollerSpec):
        remarks += map(str, unread_sets(spec, credentials))
        if clock.remark is not None:  # a poller's windows are of the vendor's time
            remarks.append(clock.remark)
    return "; ".join(remarks)


@dataclass(slots=True)
class VendorClock:
    """Sends a flow's requests, measures each, and compares the ``Date`` of its answer with this host's clock."""

    monotonic: Callable[[], float] = time.monotonic  # seconds
    ahead_s: float | None = None  # None: no answer had a date
    slowest_s: float = 0.0

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        began, began_s = time.time(), self.monotonic()
        response = await send(request)
        self.slowest_s = max(self.slowest_s, self.monotonic() - began_s)
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            self.ahead_s = date.timestamp() + 0.5 - (began + time.time()) / 2  # a Date is whole seconds, rounded down
        return response

    def waits(self, wait: Wait) -> None: ...

    def goes(self) -> None: ...

    @property
    def slowness(self) -> str | None:
        """What an operator should know; None: the answers came soon enough."""
        return None if self.slowest_s < NOTABLE_S else f"its answer took {self.slowest_s:.1f} s"

    @property
    def remark(self) -> str | None:
        """What an operator should know; None: the clocks agree well enough."""
        if self.ahead_s is None or abs(self.ahead_s) * 1000 <= MAX_SKEW_MS:
            return None
        way = "ahead of" if self.ahead_s > 0 else "behind"
        return f"its clock is {abs(self.ahead_s):.0f} s {way} this host's: check which one is right"


async def ask_vendor(
    configuration: Configuration,
    spec: SinkSpec | PollerSpec,
    flow: Flow[R],
    observer: Observer = UNOBSERVED,
    *,
    use: Use = Use.READ,
) -> R | outcomes.Outcome:
    """Run one flow with the worker's account; that no answer came is an outcome, too. ``use``: what for."""
    async with codec_in_loop(configuration) as codec:
        budget = open_account(configuration, spec, codec, wall_ms, use)
        credentials = configuration.credentials[spec.name]
        client = build_client(spec, load(spec.vendor), credentials, budget=budget)
        found = await _answer(client, flow, observer)
    # A vendor may repeat our key in an error, in any form, and what a command shows is pasted into tickets.
    return with_words(found, partial(redact, content=credentials.secrets))


async def read_budget(configuration: Configuration, spec: PollerSpec) -> BudgetNow | None:
    """What the vendor's budget grants the account now; None: the worker has no budget. Raises `KafkaFailed`."""
    async with codec_in_loop(configuration) as codec:
        account = open_account(configuration, spec, codec, wall_ms, Use.READ)
        if account is None:
            return None
        try:
            await account.refresh()
        finally:
            await account.close()
        unread = unread_sets(spec, configuration.credentials[spec.name])
        names = spec.sets.keys() - {one.name for one in unread}
        beats = {name: one.every for name, one in spec.sets.items() if name in names}
        return BudgetNow(account.budget, wall_ms(), beats, own_spenders(spec.name), _rare_per_ms(spec, beats))


def _rare_per_ms(spec: PollerSpec, names: Collection[str]) -> float:
    """Requests for days beyond those of each beat, of these sets: later days with `look_again`, both with a sweep."""
    sets = sum(1 for one in load(spec.vendor).sets if one.name in names and one.days_beyond)
    return sets * (1 / (spec.look_again.every * 1000) + 1 / (spec.sweep_every * 1000))


async def _answer(client: VendorClient, flow: Flow[R], observer: Observer) -> R | outcomes.Outcome:
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
    return ", ".join(credentials.place(name) for name in login if credentials[name])


def _message(outcome: outcomes.Outcome, spec: SinkSpec | PollerSpec, credentials: VendorCredentials) -> str:
    match outcome:
        case outcomes.Delivered():
            return "answers; the address and the credentials are right"
        case outcomes.Denied(reason):
            return f"refuses the credentials: {reason}; check {_secrets(spec, credentials)}"
        case outcomes.Throttled():
            return outcome.reason
        case outcomes.Unavailable(reason) | outcomes.Unknown(reason) | outcomes.Skipped(reason):
            return f"{reason}; check {spec.credentials}_BASE_URL, and proxies and firewalls on the way"
        case outcomes.Rejected(detail) | outcomes.UnknownOrder(detail):
            return f"gives an answer that its documentation does not describe for this read: {detail}"
        case _:
            assert_never(outcome)
