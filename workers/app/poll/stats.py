"""A poller's counters and gauges: the one table behind ``/status``, ``/metrics`` and ``docs/metrics.md``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from workers.core.last_errors import LastErrors
from workers.core.metrics import counted, measured


@dataclass(slots=True)
class PollStats:
    polls: Annotated[
        int, counted("Polls completed: of a time range, or of one order where orders are polled singly")
    ] = 0
    events: Annotated[int, counted("Events published", name="events_published")] = 0
    late_found: Annotated[int, counted("Changes that the time ranges had missed and a slower sweep found")] = 0
    failures: Annotated[
        int,
        counted("Requests of a poller that could not be read or were not answered", name="poll_failures"),
    ] = 0
    taken_over: Annotated[
        int,
        counted(
            "Times that a shard was loaded again from Kafka, after a failed write or a second owner",
            name="shard_reloads",
        ),
    ] = 0
    rebalances: Annotated[int, counted("Assignments received from the consumer group")] = 0
    notes: Annotated[
        Counter[str],
        counted("Anomalies in events and in vendors' answers, by name", label="note", key="notes", name="anomalies"),
    ] = field(default_factory=Counter)
    skew_ms: int | None = None  # how far the vendor's clock is ahead of ours, by its last answer
    errors: LastErrors = field(default_factory=LastErrors)

    @property
    def last_error(self) -> str | None:
        return None if self.errors.last is None else self.errors.last.text


@dataclass(frozen=True, slots=True)
class PollGauges:
    """What a poller measures at the moment it is asked."""

    behind_seconds: Annotated[
        float | None, measured("Age of the time up to which everything has been published, in seconds. Alert on it")
    ]
    set_behind_seconds: Annotated[
        Mapping[str, float], measured("The same, of each set of a poller that reads several", label="set")
    ]
    set_beat_seconds: Annotated[
        Mapping[str, float],
        measured(
            "How often each set is read: its `every`, or more rarely while a budget is low. So old it is when all is "
            "well",
            label="set",
        ),
    ]
    first_reading_seconds: Annotated[
        float | None,
        measured(
            "For how long a poller of sets has been reading one for the first time; without a sample once each was "
            "read. Until then nothing tells how far the poller is behind. Alert on it"
        ),
    ]
    orders: Annotated[int, measured("Orders whose last published state a poller remembers", name="remembered_orders")]
    in_flight: Annotated[int, measured("Vendor requests in flight")]
    clock_skew_seconds: Annotated[
        float | None, measured("How far the vendor's clock is ahead of this host's clock, in seconds")
    ]


@dataclass(frozen=True, slots=True)
class LookGauges:
    """The same, of a poller that polls orders singly."""

    tracked_orders: Annotated[int, measured("Orders that a poller polls singly")]
    due_looks: Annotated[int, measured("Orders whose next poll is due")]
    late_looks: Annotated[int, measured("Orders whose poll is overdue: raise max_in_flight")]
