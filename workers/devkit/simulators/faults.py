"""The faults of a simulated vendor: set at the start, or live by ``POST /_sim/faults``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from workers.app.config.values import seconds

HTTP_FIRST, HTTP_LAST = 400, 599
CODE_FIRST = -6


def as_seconds(value: Any) -> Any:
    """Read a duration such as ``50ms``; anything but a text stays as it is."""
    return seconds(value) if isinstance(value, str) else value


Seconds: TypeAlias = Annotated[float, BeforeValidator(as_seconds), Field(ge=0)]  # 0.05 or "50ms"
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]  # of the requests; 1 (or true): all
HttpError: TypeAlias = Annotated[int, Field(ge=HTTP_FIRST, le=HTTP_LAST)]
Code: TypeAlias = Annotated[int, Field(ge=CODE_FIRST, lt=0)]  # a status in the body of a 500, as e-Courier answers
Sort: TypeAlias = Literal["ascending", "descending", "id", "unstable"]


class Faults(BaseModel):
    """The fault knobs, all off by default. They are tried in this order; the first that applies decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    down: bool = False  # connections are refused, open ones cut
    hang: Share = 0.0  # no answer until the faults change; then the connection is cut
    reset_before: Share = 0.0  # cut before anything is applied
    deny: Literal[0, 401, 403] = 0  # the key is refused
    throttle: Seconds | None = None  # 429 with Retry-After
    error_rate: Share = 0.0
    error_statuses: tuple[HttpError | Code, ...] = Field((500, 502, 503), min_length=1)  # one of them, by chance
    html_200: Share = 0.0  # a proxy's page with status 200; nothing is applied
    max_body: int | None = None  # bytes; more is answered 413
    max_orders: int | None = None  # orders in one request; more is answered 413
    bad_ids: frozenset[str] = frozenset()  # order ids that the vendor always refuses
    broken_ids: frozenset[str] = frozenset()  # order ids at which the vendor fails with 500
    unknown_order: Literal[200, 400, 404] = 400  # the answer to a status for an order that is not there
    locked_ids: frozenset[str] = frozenset()  # e-Courier: order numbers that can no longer be modified or canceled
    token_uses: int | None = Field(None, ge=0)  # e-Courier: uses of a session; None: no limit
    dead_token: Literal[-5, -6, 401, 403] = -5  # e-Courier: the answer to an ended session
    own_numbers: bool = False  # e-Courier: the site ignores our OrderNumber, and numbers each save by itself
    single_as_object: bool = False  # e-Courier: a collection of one member comes as an object, not as a list
    reset_after: Share = 0.0  # applied, then cut
    empty_200: Share = 0.0  # applied, answered with an empty body
    errors_in_200: Share = 0.0  # not applied, answered 200 with a non-empty `errors`
    huge: Share = 0.0  # applied, answered with a body of 64 MiB
    drip: Seconds = 0.0  # between two bytes of an answer
    latency: Seconds = 0.0  # before every answer
    sort: Sort = "id"  # how a page's orders (dcl) or an order's events (e-Courier) are sorted
    changes: Annotated[float, Field(ge=0)] | None = None  # orders that change a second; None: dcl 0.5, e-Courier 0
    changes_per_page: Annotated[int, Field(ge=0)] = 0  # orders that change while a page or an order is read
    visible_after: Seconds = 0.0  # a change (e-Courier: an event) shows up to so much later
    naive_times: bool = False  # dcl: modified_at is local time without an offset
    hidden_ids: frozenset[str] = frozenset()  # e-Courier: order numbers that are not found, though they are there
    deleted: Share = 0.0  # e-Courier: of the changes, those by which the courier itself deletes the order
    late_events: Share = 0.0  # e-Courier: of the events, those entered up to two hours after they happened
    events_without_id: Share = 0.0  # e-Courier: of the events, those without an OrderEventID

    @property
    def quiet(self) -> bool:
        """Whether only latency and the vendor's own rules apply: the fast path."""
        return self.model_copy(update={name: AT_REST[name] for name in _OWN_RULES}) == QUIET

    def changed(self, knobs: dict[str, Any]) -> Faults:
        """Return the faults with some of them changed; raises pydantic's ValidationError."""
        return Faults.model_validate({**self.model_dump(), **knobs})


_OWN_RULES = (
    "latency",
    "bad_ids",
    "broken_ids",
    "unknown_order",
    "max_orders",
    "error_statuses",
    "sort",
    "changes",
    "changes_per_page",
    "visible_after",
    "naive_times",
    "own_numbers",
    "hidden_ids",
    "deleted",
    "late_events",
    "events_without_id",
)
QUIET = Faults()
AT_REST: dict[str, Any] = QUIET.model_dump()
