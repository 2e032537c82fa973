"""What a record's span learns on the record's way: its waits, its outcomes and its end.

The core and the pipe carry the span without knowing OpenTelemetry; `workers.edges.telemetry` records it.
"""

from enum import Enum
from typing import Final, NamedTuple, Protocol

from workers.core.record import Headers


class Wait(Enum):
    """What a record waits for; the value is the name of the span's event."""

    LANE = "lane"  # its turn: records of its order and of other orders go first
    PUBLISH_SKEW = "publish_skew"  # its create may have been appended after it
    GATE = "gate"  # the vendor's gate is not open
    LINGER = "linger"  # the batch that it is in is being filled
    SESSION = "session"  # a login to the vendor
    RETRY = "retry"  # the pause after a failed attempt
    CREATE = "create"  # its order: the vendor does not know it yet


class SpanIds(NamedTuple):
    """A span's place, in lowercase hexadecimal digits, as log lines show it."""

    trace_id: str
    span_id: str


class RecordSpan(Protocol):
    """The span of one record, from its fetch to its finish."""

    @property
    def ids(self) -> SpanIds | None:
        """None: it is not recorded."""

    def belongs_to(self, order_id: str) -> None:
        """The record's order is known."""

    def waits(self, wait: Wait) -> None:
        """From now on the record waits for this, and for nothing else."""

    def met(self, outcome: str, status: int | None = None) -> None:
        """A flight with the record has landed; ``status``: HTTP."""

    def parks(self, topic: str) -> None:
        """The record is being written to the parked topic."""

    def forwarded(self, headers: Headers) -> Headers:
        """The record's headers for its parked copy, which stays on the order's trace."""

    def ends(self, outcome: str, reason: str | None = None) -> None:
        """The record's end is decided; what it has to write may still be on its way."""

    def finish(self) -> None:
        """The record is finished, or belongs to another process now. Only the first call counts."""


class _NotRecorded:
    """Does nothing: most records have it."""

    @property
    def ids(self) -> SpanIds | None:
        return None

    def belongs_to(self, order_id: str) -> None: ...

    def waits(self, wait: Wait) -> None: ...

    def met(self, outcome: str, status: int | None = None) -> None: ...

    def parks(self, topic: str) -> None: ...

    def forwarded(self, headers: Headers) -> Headers:
        return headers

    def ends(self, outcome: str, reason: str | None = None) -> None: ...

    def finish(self) -> None: ...


NOT_RECORDED: Final[RecordSpan] = _NotRecorded()
