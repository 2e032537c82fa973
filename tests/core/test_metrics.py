"""A number is declared once, and every view of it follows from the declaration."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from workers.core.metrics import counted, measured, metrics_of, status_of


@dataclass
class Numbers:
    """One field of each kind, and one that is no metric."""

    sent: Annotated[int, counted("Sent")] = 0
    waiting_seconds: Annotated[float | None, measured("Waiting")] = None
    skipped: Annotated[Counter[str], counted("Skipped")] = field(default_factory=Counter)
    parked: Annotated[Counter[str], counted("Parked", label="reason", key="by_reason")] = field(default_factory=Counter)
    last_error: str | None = None


def test_names_follow_from_the_field_and_its_kind() -> None:
    assert [(metric.key, metric.name, metric.kind, metric.help) for metric in metrics_of(Numbers)] == [
        ("sent_total", "relay_sent_total", "counter", "Sent"),
        ("waiting_seconds", "relay_waiting_seconds", "gauge", "Waiting"),
        ("skipped_total", "relay_skipped_total", "counter", "Skipped"),
        ("by_reason", "relay_parked_total", "counter", "Parked"),
    ]


def test_status_shows_totals_and_with_a_label_each_value() -> None:
    numbers = Numbers(sent=3, skipped=Counter(a=1, b=2), parked=Counter(invalid=4), last_error="x")
    assert status_of(numbers) == {
        "sent_total": 3,
        "waiting_seconds": None,
        "skipped_total": 3,
        "by_reason": {"invalid": 4},
    }
