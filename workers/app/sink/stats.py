"""A sink's counters and gauges: the one table behind ``/status``, ``/metrics`` and ``docs/metrics.md``."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from workers.core.last_errors import LastErrors
from workers.core.metrics import counted, measured


@dataclass(slots=True)
class SinkStats:
    """What a sink has counted since its start. Plain numbers: counting costs nothing on the hot path."""

    delivered: Annotated[int, counted("Records that the vendor applied, or had applied before")] = 0
    skipped: Annotated[Counter[str], counted("Records with nothing to send")] = field(default_factory=Counter)
    parked: Annotated[
        Counter[str], counted("Records parked (dead-lettered), by reason", label="reason", key="parked_by_reason")
    ] = field(default_factory=Counter)
    notes: Annotated[
        Counter[str], counted("Anomalies in events and in vendors' answers, by name", label="note", key="notes")
    ] = field(default_factory=Counter)
    retries: Annotated[int, counted("Failed attempts that are followed by another attempt")] = 0
    unknown: Annotated[int, counted("Attempts whose result is unknown: the request was sent, no answer came")] = 0
    resends: Annotated[int, counted("Records delivered by sending again after an attempt with an unknown result")] = 0
    duplicates_avoided: Annotated[int, counted("Records found at the vendor instead of being sent again")] = 0
    repeated: Annotated[int, counted("Records that the partition's former owner may have sent before it ended")] = 0
    key_mismatches: Annotated[int, counted("Records whose key is missing or differs from their order id")] = 0
    two_partitions: Annotated[
        int, counted("Orders seen in two partitions: only their publisher can keep their sequence")
    ] = 0
    passed_unreachable: Annotated[
        int, counted("Records sent without waiting for the sink's other topic, because it could not be fetched")
    ] = 0
    metadata_ignored: Annotated[
        int, counted("Commits whose metadata was written for another offset or is damaged, and is ignored")
    ] = 0
    rebalances: Annotated[int, counted("Assignments received from the consumer group")] = 0
    errors: LastErrors = field(default_factory=LastErrors)

    @property
    def last_error(self) -> str | None:
        return None if self.errors.last is None else self.errors.last.text


@dataclass(frozen=True, slots=True)
class SinkGauges:
    """What a sink measures at the moment it is asked."""

    lag_records: Annotated[int, measured("Records between the committed offsets and the ends of the partitions")]
    lag_known: Annotated[
        bool, measured("1 while the ends of all partitions are known; else relay_lag_records has no sample. Alert on 0")
    ]
    oldest_unfinished_seconds: Annotated[
        float, measured("Age of the oldest record that is fetched and unfinished, in seconds; 0 when there is none")
    ]
    in_flight: Annotated[int, measured("Vendor requests in flight")]
    unfinished: Annotated[int, measured("Records that are fetched and unfinished")]
    parked_orders: Annotated[int, measured("Orders that have parked records")]
    parked_records: Annotated[int, measured("Records that are parked now")]
    parked_full: Annotated[int, measured("1 when max_parked records or more are parked, else 0. Alert on it")]
    parked_full_orders: Annotated[
        int, measured("Orders that have max_parked_per_order parked records or more. Alert on it")
    ]


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """What the lanes have counted since the start of the worker."""

    held: Annotated[int, counted("Statuses that waited for their create, because this process had not delivered it")]
    held_seconds: Annotated[float, counted("For how long those statuses waited, in seconds; publish_skew at most each")]
    reordered: Annotated[
        int, counted("Events sent before an event of their producer's that the broker had appended earlier")
    ]


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What the vendor's client has counted since its start."""

    look_ups: Annotated[int, counted("Requests that only asked the vendor whether it has an order")]
    requests_held: Annotated[
        int, counted("Requests and answers that waited because the group's membership was not proved any more")
    ]


@dataclass(frozen=True, slots=True)
class LoginCounts:
    """The same, of a vendor that wants a login."""

    logins: Annotated[int, counted("Logins to a vendor that has sessions")]
