"""`relay vendor komet quota`: what is left of the token's requests, and the freshness that it buys."""

from dataclasses import replace
from typing import Any

import pytest

from tests.vendors.komet.poll.asked_komet import ACCOUNT, NOON_MS, AskedKomet
from workers.core.budget import Budget, BudgetPolicy, Spent
from workers.vendors.commands import BudgetNow, Given, Shown
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.quota import show_quota

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BEATS = {"invoices": 300.0, "customer": 3_600.0}


def shown(*spent: tuple[int, int]) -> Shown:
    """``spent``: (requests, so many hours ago), each by a process of its own."""
    policy = BudgetPolicy(1_000, DAY_MS, 300)
    spenders = {
        f"p{number}": Spent().plus(count, NOON_MS - ago * HOUR_MS, policy) for number, (count, ago) in enumerate(spent)
    }
    given = Given(budget=BudgetNow(Budget(policy, spenders), NOON_MS, BEATS, "p"))
    komet = AskedKomet()
    found = komet.run(show_quota(KometPollerOptions(), ACCOUNT, given))
    assert komet.requests == []
    assert isinstance(found, Shown)
    return found


def lines(found: Shown) -> dict[str, str]:
    return {row[0]: row[1] for row in found.rows}


def test_an_untouched_budget_buys_the_beats_of_topics_yaml() -> None:
    found = shown()
    assert lines(found) == {
        "requests": "1000 in any 24 h", "spent": "0", "left for writes": "1000",
        "left for polls": "700, 300 are kept for writes",
        "invoices": "read every 5 min", "customer": "read every 60 min",
    }  # fmt: skip
    assert found.document["sets"]["invoices"] == {
        "every_seconds": 300.0, "now_every_seconds": 300.0, "readings_a_day": 288,
    }  # fmt: skip


def test_readings_that_are_rarer_than_the_beats_count_too() -> None:
    policy = BudgetPolicy(1_000, DAY_MS, 300)
    spenders = {"p": Spent().plus(300, NOON_MS - HOUR_MS, policy)}
    now = BudgetNow(Budget(policy, spenders), NOON_MS, BEATS, "p")
    assert replace(now, rare_per_ms=200 / DAY_MS).stretch > now.stretch


def test_the_requests_of_all_processes_in_the_last_day_count() -> None:
    document = shown((100, 2), (40, 0), (500, 30)).document
    assert (document["spent"], document["left_for_writes"], document["left_for_polls"]) == (140, 860, 560)


def test_polls_stretch_their_beats_before_their_part_is_gone_and_writes_go_on() -> None:
    found = shown((660, 1))
    said = lines(found)
    assert "because the budget runs low; its beat is 5 min" in said["invoices"]
    sets: dict[str, dict[str, Any]] = found.document["sets"]
    assert sets["invoices"]["now_every_seconds"] > 300
    assert sets["customer"]["now_every_seconds"] / sets["invoices"]["now_every_seconds"] == pytest.approx(12, 0.01)
    gone = shown((700, 1))
    assert gone.document["left_for_writes"] == 300
    assert gone.document["polls_wait_seconds"] == 24 * 3_600
    assert lines(gone)["left for polls"] == "0, 300 are kept for writes; the next one in 24 h"
