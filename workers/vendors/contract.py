"""The contract between the workers and a vendor: one folder per vendor, no IO in it.

A vendor's package exports ``VENDOR = Vendor(...)``; `load` finds it by the name
that ``topics.yaml`` gives. A sink prepares events and delivers calls in flows;
only ``edges/vendor_client.py`` sends.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import httpx
from pydantic import BaseModel

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Skipped, Throttled, Unavailable
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Event
from workers.core.poll.change import Seen
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_event import Look

T = TypeVar("T")

Flow: TypeAlias = Generator[httpx.Request, httpx.Response, T]
"""A conversation: yields requests, is sent responses, returns a value (httpx's ``auth_flow``, generalised).

`NotSent` or `MaybeSent` is thrown in at the ``yield`` when the transport failed.
"""


class NotSent(Exception):  # noqa: N818 - a fact about a request, not an error's name
    """The request did not reach the vendor (refused, DNS, connect time-out): nothing was applied."""


class MaybeSent(Exception):  # noqa: N818 - the same
    """The request may have been applied: the answer was lost (time-out, reset, cut short)."""


class TooLong(MaybeSent):
    """The vendor answers, with more than is read of an answer: asked for less, it may be heard."""


@dataclass(frozen=True, slots=True)
class Call:
    """An event mapped to the vendor's wire and checked against its documented limits."""

    order_id: str
    creates_order: bool  # True: it creates or replaces the order; False: it follows the order's create
    payload: Any  # the vendor's own form, read by its sink alone
    size: int  # bytes that it adds to a request
    group: str | None = None  # calls of one group may share a request; None: each goes alone
    note: str | None = None  # something about the event to be counted, such as "unmapped_time_zone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call."""

    call: Call
    number: int = 1  # 1, 2, ... ; throttled and gate probes do not count
    unknown: bool = False  # an earlier try may have been applied: look it up where a repeat would double it


class Sink(Protocol):
    """A vendor's way to take events."""

    def prepare(self, event: Event, known: Tracked | None = None) -> Call | Skipped | Rejected:
        """Map and check an event; pure and total. `Rejected` here means it breaks a documented limit (``invalid``).

        ``known``: what the last delivery of this order left behind, for sinks that track.
        """

    def deliver(self, attempts: Sequence[Attempt]) -> Flow[list[Outcome]]:
        """Send the calls (all of one group, or a single one); one outcome for each, in their order.

        `NotSent` and `MaybeSent` that leave the flow make all its calls `Unavailable` or `Unknown`.
        """

    def preview(self, call: Call) -> httpx.Request:
        """Build the request that `deliver` would send first, secrets redacted, for people to look at."""

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a vendor answered, read completely: nothing of what was asked for is missing."""

    orders: tuple[Seen, ...]
    span: TimeRange | None = None  # the stretch of time that was read; None: orders were asked for by name
    notes: Counter[str] = field(default_factory=Counter)  # what was peculiar about the answers, to be counted


PollFault: TypeAlias = Throttled | Unavailable | Denied
"""Why nothing was read: the cursor stays, whatever the answer held."""


class Poller(Protocol):
    """A vendor's way to tell news: orders that changed in a stretch of time, and orders by name."""

    @property
    def fields(self) -> Sequence[str]:
        """Names of the vendor's top-level fields. New ones go to the end: shadows hold hashes by place."""

    @property
    def batch(self) -> int:
        """How many orders may be asked for by name at once."""

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int) -> Flow[Reading | PollFault]:
        """Read every order modified in the span, or in as much of its beginning as one answer holds.

        One answer is drift-proof: an order that changes while pages are read would shift the others. What was
        modified at ``sure_until_ms`` or later will be read again: nothing of it has to be waited for.
        """

    def named(self, shard: int, keys: Sequence[str]) -> Flow[Reading | PollFault]:
        """Read these orders (by `Seen.key`) as they are now; those that the vendor does not have are left out."""

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


class OrderPoller(Protocol):
    """The same for a vendor that tells nothing but a single order: which orders to ask for, others say."""

    @property
    def fields(self) -> Sequence[str]:
        """Names of the fields that an order's stage is told from. New ones go to the end, as for `Poller`."""

    def look(self, order_number: str) -> Flow[Look | PollFault]:
        """Read the order as it is now."""

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


class LoginFailed(Exception):  # noqa: N818 - it carries an outcome
    """No session could be had; ``outcome`` is what that means for every record of the flight."""

    def __init__(self, outcome: Denied | Throttled | Unavailable) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


class Session(Protocol):
    """A login that all flights to a vendor share. The client signs every request with it.

    However many requests find it dead, one login happens; each of them is then sent once more.
    """

    @property
    def token(self) -> str | None:
        """What requests are signed with now; None: a login must come first. Never logged."""

    def sign(self, request: httpx.Request) -> None:
        """Put the token into the request."""

    def is_dead(self, response: httpx.Response) -> bool:
        """Whether the vendor says that the token is no longer good."""

    def login(self) -> Flow[Denied | Throttled | Unavailable | None]:
        """Get a new token and keep it; anything but None says why there is none. Its requests are not signed."""

    def renew(self, idle: float) -> Flow[None] | None:
        """A conversation that keeps a token alive that has not been used for ``idle`` seconds; None: no need yet."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of a vendor, without its prefix (``credentials`` in ``topics.yaml``)."""

    name: str  # e.g. API_KEY: read from ECDP_API_KEY or ECDP_API_KEY_FILE
    secret: bool = False
    default: str | None = None
    required: bool = True
    meaning: str = ""  # for docs/configuration.md


class Credentials(Protocol):
    """A worker's vendor variables, re-read when a mounted file changes."""

    def __getitem__(self, name: str) -> str:
        """The variable's present value; an optional one that is not set is the empty string."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """All that the workers must know of a vendor."""

    name: str
    title: str  # as people write it
    variables: tuple[Variable, ...]
    variables_fault: Callable[[Credentials], tuple[str, str] | None] | None = None  # (variable, what is wanted)
    sink_options: type[BaseModel] | None = None  # keys that its sinks add to a worker in topics.yaml
    sink: Callable[[Any, Credentials], Sink] | None = None  # (options, credentials) -> Sink
    poller_options: type[BaseModel] | None = None  # keys that its pollers add to a worker in topics.yaml
    poller: Callable[[Any, Credentials], Poller | OrderPoller] | None = None  # (options, credentials) -> one of them
    poller_follows: bool = False  # it is an `OrderPoller`: it looks at the orders of its worker's ``follows`` topic
    session: Callable[[Any, Credentials], Session] | None = None  # (options, credentials) -> Session
    tracks: bool = False  # its deliveries leave marks, which are kept in the worker's ``tracks`` topic
    # (options of its sink or its poller, order id) -> the number by which it knows the order; None: they do not tell
    order_number: Callable[[Any, str], str | None] | None = None


class UnknownVendorError(LookupError):
    """No such folder under ``workers/vendors``, or it exports no ``VENDOR``."""


def load(name: str) -> Vendor:
    """Import the vendor's folder and return its ``VENDOR``; raises `UnknownVendorError`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UnknownVendorError(name)
    try:
        module = importlib.import_module(f"workers.vendors.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"workers.vendors.{name}":
            raise
        raise UnknownVendorError(name) from error
    vendor: Vendor = module.VENDOR
    return vendor
