"""Distributions are exact, and their number is bounded."""

from workers.core.histograms import OTHER, Histogram, LabelledHistograms


def test_a_value_counts_at_the_first_bound_that_it_does_not_exceed() -> None:
    found = Histogram((1.0, 5.0))
    for value in (0.5, 1.0, 2.0, 9.0):
        found.record(value)
    assert found.shown() == {"count": 4, "sum": 12.5, "buckets": {"1.0": 2, "5.0": 3, "+Inf": 4}}


def test_combinations_beyond_the_bound_share_a_series_and_nothing_is_lost() -> None:
    found = LabelledHistograms(("operation", "outcome"), (1.0,), {"vendor": "ecdp"})
    outcomes = ("ok", "unknown", "denied", "throttled", "rejected", "unavailable", "unknown_order")
    for number in range(50):
        for outcome in outcomes:
            found.record(0.1, f"operation {number}", outcome)
    rows = found.shown()
    assert len(rows) == 5 + len(outcomes)
    assert sum(row["count"] for row in rows) == 50 * len(outcomes)
    assert {row["outcome"] for row in rows if row["operation"] == OTHER} == set(outcomes)
    assert all(row["vendor"] == "ecdp" for row in rows)
