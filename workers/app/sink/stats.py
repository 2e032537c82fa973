"""What a sink worker has counted since its start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class SinkStats:
    """Plain numbers, shown by ``/status`` and ``/metrics``. They decide nothing."""

    delivered: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # by reason
    parked: Counter[str] = field(default_factory=Counter)  # by reason
    notes: Counter[str] = field(default_factory=Counter)  # what vendors' mappings want counted
    retries: int = 0
    unknown: int = 0  # attempts whose result is not known
    resends: int = 0  # delivered by one more request after an attempt whose result is not known
    duplicates_avoided: int = 0  # found at the vendor instead of being sent again
    repeated: int = 0  # records that a former owner may have sent before it died
    key_mismatches: int = 0  # key missing, or not the order id
    two_partitions: int = 0  # orders seen in two partitions
    passed_unreachable: int = 0  # records that went on without the sink's other topic
    metadata_ignored: int = 0  # commits whose metadata was written for another offset, or damaged
    rebalances: int = 0
    last_error: str | None = None
