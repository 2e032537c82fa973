"""A sink's counters and gauges: the one table behind ``/status``, ``/metrics`` and ``docs/metrics.md``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from workers.core.histograms import Histogram
from workers.core.last_errors import LastErrors
from workers.core.metrics import counted, distributed, measured
from workers.core.parked.fence import ParkReason

_FINISH_BOUNDS_S = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)  # 60 s is the objective
_BATCH_BOUNDS = (1, 5, 20, 50, 100)


@dataclass(slots=True)
class SinkStats:
    """What a sink has counted since its start. Plain numbers: counting costs nothing on the hot path."""

    delivered: Annotated[int, counted("Records that the vendor applied, or had applied before")] = 0
    skipped: Annotated[Counter[str], counted("Records with nothing to send")] = field(default_factory=Counter)
    parked: Annotated[
        Counter[str],
        counted(
            "Records parked (dead-lettered), by reason",
            label="reason",
            values=tuple(reason.value for reason in ParkReason),
            key="parked_by_reason",
        ),
    ] = field(default_factory=Counter)
    notes: Annotated[
        Counter[str],
        counted("Anomalies in events and in vendors' answers, by name", label="note", key="notes", name="anomalies"),
    ] = field(default_factory=Counter)
    retries: Annotated[int, counted("Failed attempts that are followed by another attempt")] = 0
    unknown: Annotated[int, counted("Attempts whose result is unknown: the request was sent, no answer came")] = 0
    resends: Annotated[int, counted("Records delivered by sending again after an attempt with an unknown result")] = 0
    duplicates_avoided: Annotated[int, counted("Records found at the vendor instead of being sent again")] = 0
    repeated: Annotated[
        int,
        counted("Records that the partition's former owner may have sent before it ended", name="possible_duplicates"),
    ] = 0
    key_mismatches: Annotated[int, counted("Records whose key is missing or differs from their order id")] = 0
    two_partitions: Annotated[
        int,
        counted(
            "Orders seen in two partitions: only their publisher can keep their sequence",
            name="orders_in_two_partitions",
        ),
    ] = 0
    passed_unreachable: Annotated[
        int,
        counted(
            "Records sent without waiting for the sink's other topic, because it could not be fetched",
            name="sent_without_other_topic",
        ),
    ] = 0
    metadata_ignored: Annotated[
        int,
        counted(
            "Commits whose metadata was written for another offset or is damaged, and is ignored",
            name="commit_metadata_ignored",
        ),
    ] = 0
    rebalances: Annotated[int, counted("Assignments received from the consumer group")] = 0
    append_to_finish_seconds: Annotated[
        Histogram, distributed("Time from a record's timestamp (its append) to its finish; replays are not in it")
    ] = field(default_factory=lambda: Histogram(_FINISH_BOUNDS_S))
    batch_records: Annotated[Histogram, distributed("Records that share a conversation with the vendor")] = field(
        default_factory=lambda: Histogram(_BATCH_BOUNDS)
    )
    errors: LastErrors = field(default_factory=LastErrors)

    @property
    def last_error(self) -> str | None:
        return None if self.errors.last is None else self.errors.last.text


@dataclass(frozen=True, slots=True)
class SinkGauges:
    """What a sink measures at the moment it is asked."""

    assigned_partitions: Annotated[int, measured("Partitions that the consumer group has given to this worker")]
    in_flight: Annotated[int, measured("Vendor requests in flight")]
    unfinished: Annotated[int, measured("Records that are fetched and unfinished")]
    parked_orders: Annotated[int, measured("Orders that have parked records")]
    parked_records: Annotated[int, measured("Records that are parked now")]
    waiting_orders: Annotated[
        Mapping[str, int],
        measured("Orders with unfinished records, by what the first of them waits for", label="reason"),
    ]
    parked_orders_by_reason: Annotated[
        Mapping[str, int], measured("Orders that have parked records, by the first one's reason", label="reason")
    ]
    parked_records_by_reason: Annotated[
        Mapping[str, int], measured("Records that are parked now, by the reason of their order's first", label="reason")
    ]
    parked_oldest_seconds: Annotated[
        float, measured("Time for which the oldest parked order has been parked; 0: there is none. Alert on it")
    ]
    half_made_orders: Annotated[
        int, measured("Orders that a delivery has begun at the vendor and not finished, such as open web orders")
    ]
    half_made_oldest_seconds: Annotated[
        float, measured("Time for which the oldest of these has been half made; 0: there is none. Alert on it")
    ]
    half_made_life_seconds: Annotated[
        float | None,
        measured("Time for which the vendor keeps such an order; without a sample where none can be half made"),
    ]
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
