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
    broken_ids: frozenset[str] = frozenset()  # order ids at which the vendor fails with 500; Komet at their items
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
    changes: Annotated[float, Field(ge=0)] | None = None  # that happen a second; None: dcl and e2cc 0.5, e-Courier 0
    changes_per_page: Annotated[int, Field(ge=0)] = 0  # orders that change while a page or an order is read
    visible_after: Seconds = 0.0  # a change (e-Courier: an event) shows up to so much later
    naive_times: bool = False  # dcl: modified_at is local time without an offset
    hidden_ids: frozenset[str] = frozenset()  # e-Courier: order numbers that are not found, though they are there
    deleted: Share = 0.0  # of the changes, those by which e-Courier deletes the order, or it vanishes at e2cc
    late_events: Share = 0.0  # e-Courier: of the events, those entered up to two hours after they happened
    events_without_id: Share = 0.0  # e-Courier: of the events, those without an OrderEventID
    quota: int | None = Field(None, ge=0)  # Komet: requests of a day; further ones are refused
    quota_per: Seconds | None = None  # Komet: the day of `quota`; None: any 24 hours
    quota_answer: Literal[200, 403, 429] = 200  # Komet: the HTTP status of such a refusal
    numbers_as_text: bool = False  # Komet: each number and each boolean is a text
    forbidden_methods: frozenset[str] = frozenset()  # Komet: methods that the token may not use
    web_order_life: Seconds | None = None  # Komet: after it an open web order is gone; None: 3 days
    needs_web_order_id: bool = False  # Komet: web orders are listed only by their number
    hides_customer_po: bool = False  # Komet: the list of web orders shows no customerPo
    row_per_line: bool = False  # e2cc: lists of orders and invoices have one row a line, not one a record
    padding: bool = False  # e2cc: blanks around the texts, other ones in each answer
    entities: bool = False  # e2cc: HTML entities in descriptions and addresses, other ones in each answer
    ignores_filters: bool = False  # e2cc: `conditions` and Field=value count for nothing
    conditions: Literal["and", "gt"] = "and"  # e2cc: gt: nothing but the page's one example is understood
    uncreated: bool = False  # e2cc: no row shows createdDateTime, though it is asked for
    page_cap: Annotated[int, Field(ge=1)] | None = None  # e2cc: rows of a page, whatever pageSize asks for
    queue_latency: Seconds = 0.0  # e2cc: between two answers; all requests wait in one queue
    key_cache: Seconds = 0.0  # e2cc: how long a key that was accepted stays so, though it is revoked or rotated
    rmas_down: bool = False  # e2cc: the store of returns fails alone

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
    "quota",
    "quota_per",
    "quota_answer",
    "numbers_as_text",
    "forbidden_methods",
    "web_order_life",
    "needs_web_order_id",
    "hides_customer_po",
    "row_per_line",
    "padding",
    "entities",
    "ignores_filters",
    "conditions",
    "uncreated",
    "page_cap",
    "queue_latency",
    "key_cache",
    "rmas_down",
)
QUIET = Faults()
AT_REST: dict[str, Any] = QUIET.model_dump()
