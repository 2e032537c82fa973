"""The contract between the workers and a vendor. Each vendor is one folder, which does no IO.

A vendor's package exports ``VENDOR = Vendor(...)``; `load` imports it by its name in ``topics.yaml``.
Vendors describe requests in flows; only ``edges/http/client.py`` sends them.
"""

import importlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import httpx
from pydantic import BaseModel

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Skipped, Throttled, Unavailable
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.core.events import Event
from workers.core.poll.change import VendorOrder
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_event import Look
from workers.core.poll.vendor_set import Details, SetReading, SetRow, VendorSet
from workers.vendors.asking import Asked, VendorWord

T = TypeVar("T")
A_contra = TypeVar("A_contra", contravariant=True)

Flow: TypeAlias = Generator[httpx.Request, httpx.Response, T]
"""A generator that yields requests, is sent their responses, and returns a value (httpx's ``auth_flow``, generalised).

When the transport fails, the client throws `NotSent` or `MaybeSent` into it at the ``yield``.
"""


class NotSent(Exception):  # noqa: N818 - a fact about a request, not an error's name
    """No byte of the request has left (refused, DNS, TLS, proxy, connect time-out): the vendor has applied nothing."""


class MaybeSent(Exception):  # noqa: N818 - the same
    """The request has left and its answer was lost (time-out, reset, cut short): the vendor may have applied it."""


class TooLong(MaybeSent):
    """The answer is longer, unpacked, than the client reads. A request for less may succeed."""


class TooSlow(MaybeSent):
    """No whole answer came in time. A request for less may succeed."""


@dataclass(frozen=True, slots=True)
class Call:
    """An event mapped to the vendor's API and checked against its documented limits."""

    order_id: str
    creates_order: bool  # True: creates or replaces the order; False: must follow the order's create
    payload: Any  # in the vendor's own form, which only its sink reads
    size: int  # bytes that it adds to a request
    group: str | None = None  # calls of one group may share a request; None: each goes alone
    note: str | None = None  # an anomaly of the event to be counted, such as "unmapped_time_zone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call."""

    call: Call
    number: int = 1  # 1, 2, ...; throttled tries and gate probes do not count
    unknown: bool = False  # an earlier try may have been applied: look it up where a repeat would do harm


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A delivery of several requests, none of which may be repeated, stops here until its mark is durable.

    Invariant: the mark that a request may have been sent is durable before the request leaves. Otherwise a successor
    of a process that died would not know of it, and would send it again.
    """

    mark: Mark
    then: "Flow[Delivery]"  # the rest; it is never begun when the process loses the order's partition


Delivery: TypeAlias = list[Outcome] | Checkpoint
"""What a delivery comes to: one outcome for each of its calls; or the rest of it, for a single call."""


class Sink(Protocol):
    """Delivers events to a vendor."""

    def prepare(self, event: Event, known: Tracked | None = None) -> Call | Skipped | Rejected:
        """Map and check an event; pure, never raises. `Rejected`: it breaks a documented limit (``invalid``).

        ``known``: the mark that the order's last delivery left, for sinks that track.
        """

    def deliver(self, attempts: Sequence[Attempt]) -> Flow[Delivery]:
        """Send the calls (all of one group, or a single one); returns one outcome for each, in their sequence.

        A sink that tracks may stop at checkpoints. If `NotSent` or `MaybeSent` leaves the flow, all its calls are
        `Unavailable` or `Unknown`.
        """

    def preview(self, call: Call) -> httpx.Request:
        """Build the request that `deliver` would send first, to be shown: secrets are redacted."""

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The vendor's complete answer to a request of a `Poller`."""

    orders: tuple[VendorOrder, ...]
    time_range: TimeRange | None = None  # that was read; None: orders were read by key
    notes: Counter[str] = field(default_factory=Counter)  # anomalies of the answers, to be counted


PollFault: TypeAlias = Throttled | Unavailable | Denied
"""Why nothing was read: the cursor does not move, whatever the answer held."""


@dataclass(frozen=True, slots=True)
class Only:
    """Which orders of a time range are read; the default: all."""

    open: bool = False  # orders that the vendor has not shipped as a whole
    shipped_since_ms: int | None = None  # orders with a shipment of that day or a later one


ALL = Only()


class Poller(Protocol):
    """Reads the orders that changed in a time window, and orders by key, from a vendor that can list changes."""

    @property
    def fields(self) -> Sequence[str]:
        """Names of the vendor's top-level fields. Add new ones at the end: `LastPublished` has hashes by position."""

    @property
    def max_keys(self) -> int:
        """How many orders `by_key` may read at once."""

    @property
    def reads_only(self) -> bool:
        """Whether `window` can read `Only` some orders of a time range; else it is never asked to."""

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int, only: Only = ALL) -> Flow[Reading | PollFault]:
        """Read every order modified in the window, or in as much of its beginning as one answer holds.

        Several pages would miss orders: one that changes between two pages shifts the others. Changes at
        ``sure_until_ms`` or later are read again by the next poll, so the flow need not wait for them.
        """

    def by_key(self, shard: int, keys: Sequence[str]) -> Flow[Reading | PollFault]:
        """Read these orders (by `VendorOrder.key`) as they are now, without those that the vendor does not have."""

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


class OrderPoller(Protocol):
    """Reads single orders, from a vendor that cannot list changes; the worker's ``follows`` topic names the orders."""

    @property
    def fields(self) -> Sequence[str]:
        """Names of the fields that decide an order's stage. Add new ones at the end, as for `Poller`."""

    def look(self, order_number: str) -> Flow[Look | PollFault]:
        """Read the order as it is now."""

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


class SetPoller(Protocol[A_contra]):
    """Reads sets of rows, from a vendor that lists what there is and not what changed; `Vendor.sets` names the sets.

    ``A_contra``: those of the `Ask` that the kinds of these sets need; no set is asked for in another way.

    Rows are compared by their digests, so all that is not a change (padding, entities, line ends, the sequence of
    fields) is normalised before. No answer of a flow is complete that may lack a row: a page walk goes on to an empty
    page, and each row is checked against what was asked.
    """

    def read(self, name: str, ask: A_contra) -> Flow[SetReading | PollFault]:
        """Read rows of the set; of `Created` and `Updated`, of as much of the beginning as one answer holds.

        Several pages would miss rows: one that comes or goes between two pages shifts the others. So a time range is
        halved until one page holds it, and what cannot be halved is walked until two walks agree.
        """

    def details(self, name: str, rows: Sequence[SetRow]) -> Flow[Details | PollFault]:
        """Read what the list does not show of these rows, which have changed; ``SetRow.item`` is the list's.

        It is called with at most `VendorSet.detailed_at_once` rows. Invariant: an item made here has a digest of the
        list's content and of the details. Otherwise a change of either alone would be published by chance.
        """

    def check(self) -> Flow[Outcome]:
        """Make one harmless authenticated read: `Delivered` when the address and the key are right."""


class LoginFailed(Exception):  # noqa: N818 - it carries an outcome
    """The login failed; ``outcome`` applies to every call that needed it."""

    def __init__(self, outcome: Denied | Throttled | Unavailable) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = Denied(outcome.reason) if isinstance(outcome, Denied) else outcome  # of no request for an order


class Session(Protocol):
    """A login that all requests to a vendor share; the client signs each request with it.

    When requests find it dead, the client logs in once and sends each of them once more.
    """

    @property
    def token(self) -> str | None:
        """The present token; None: a login must come first. Never logged."""

    def sign(self, request: httpx.Request) -> None:
        """Put the token into the request."""

    def is_dead(self, response: httpx.Response) -> bool:
        """Whether the vendor says that the token is no longer good."""

    def login(self) -> Flow[Denied | Throttled | Unavailable | None]:
        """Get a new token and keep it; returns None, or why there is none. Its requests are not signed."""

    def renew(self, idle_s: float) -> Flow[str | None] | None:
        """A flow that keeps alive a token unused for ``idle_s`` seconds; None: not needed yet.

        ``idle_s`` counts from the process's start at most. The flow returns a note to be counted when it failed.
        """


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of a vendor, without its prefix (``credentials`` in ``topics.yaml``)."""

    name: str  # e.g. API_KEY: read from ECDP_API_KEY or ECDP_API_KEY_FILE
    secret: bool = False
    default: str | None = None
    required: bool = True
    meaning: str = ""  # for docs/configuration.md


class Credentials(Protocol):
    """A worker's vendor variables, read again when a mounted file changes."""

    def __getitem__(self, name: str) -> str:
        """The variable's present value; an optional variable that is not set is the empty string."""


TrackedKey: TypeAlias = Literal["order_number", "order_id"]


@dataclass(frozen=True, slots=True)
class Vendor:
    """What a vendor offers: a sink, a poller of one of the three kinds, or both. ``Any`` is the options' model."""

    name: str  # of its folder
    title: str  # as its owner spells it
    variables: tuple[Variable, ...]
    # (variable, what is wanted) of each fault between variables; the text names other variables in braces
    variables_faults: Callable[[Credentials], Iterable[tuple[str, str]]] | None = None
    sink_options: type[BaseModel] | None = None  # keys that its sinks add to a worker in topics.yaml
    sink: Callable[[Any, Credentials], Sink] | None = None
    tracks: bool = False  # its deliveries leave marks in the worker's ``tracks`` topic
    # After this time the vendor lets go of a half-made order, which an unfinished delivery of several requests has left
    # there. None: it has no half-made orders, or keeps them.
    half_made_life_s: float | None = None
    tracked_key: TrackedKey = "order_number"  # of that topic's rows; a vendor that gives the numbers: the order id
    poller_options: type[BaseModel] | None = None  # keys that its pollers add to a worker in topics.yaml
    poller: Callable[[Any, Credentials], Poller] | None = None
    order_poller: Callable[[Any, Credentials], OrderPoller] | None = None  # of the orders in the ``follows`` topic
    set_poller: Callable[[Any, Credentials], SetPoller[Any]] | None = None
    sets: tuple[VendorSet, ...] = ()  # what its ``set_poller`` can read
    # The vendor works off all requests of a key one after the other: a process sends one at a time for each
    # ``credentials``, whichever worker, set or command asks.
    one_at_a_time: bool = False
    requests_a_day: int | None = None  # of all workers and commands of an account, unless topics.yaml says otherwise
    session: Callable[[Any, Credentials], Session] | None = None
    long_answers: bool = False  # any answer may be as long as a poll's: it holds signatures, or a PDF
    # (options, credentials, order) -> what it has of the order now; of its sink, or of its poller without a sink
    ask: Callable[[Any, Credentials, Asked], Flow[VendorWord | Outcome]] | None = None
    # (options of its sink or poller, order id) -> the vendor's number of the order; None: the options do not tell it
    order_number: Callable[[Any, str], str | None] | None = None
    # order id -> what its sink writes at the vendor for it; None: always the order id itself
    reference: Callable[[str], str] | None = None

    def half_made_until_ms(self, since_ms: int) -> int | None:
        """Until when the vendor keeps an order that began then, in milliseconds; None: no such time."""
        return None if self.half_made_life_s is None else since_ms + round(self.half_made_life_s * 1000)

    @property
    def polls(self) -> bool:
        """Whether it has a poller, of whichever kind."""
        return (self.poller or self.order_poller or self.set_poller) is not None

    def refused_sets(self, named: Collection[str], credentials: Credentials) -> tuple[VendorSet, ...]:
        """The sets, of those named in topics.yaml, that are not read because a variable they need is not set."""
        return tuple(one for one in self.sets if one.name in named and one.needs and not credentials[one.needs])

    @property
    def poller_follows(self) -> bool:
        """Whether its pollers read the orders of a ``follows`` topic."""
        return self.order_poller is not None


class UnknownVendorError(LookupError):
    """``workers/vendors`` has no such folder."""


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
    if not isinstance(vendor := getattr(module, "VENDOR", None), Vendor):
        raise UnknownVendorError(name)  # a module that all vendors share
    return vendor
