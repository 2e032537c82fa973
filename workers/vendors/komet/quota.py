"""``relay vendor komet quota``: what is left of the token's requests, and how fresh the sets are with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from workers.core.budget import Use
from workers.core.counted import lasting
from workers.core.delivery.outcome import Outcome
from workers.vendors.commands import BudgetNow, Given, Shown, VendorCommand
from workers.vendors.contract import Credentials, Flow
from workers.vendors.komet.options import KometPollerOptions

DAY_S: Final = 86_400


def show_quota(_options: KometPollerOptions, _credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    """Show the budget; no request is sent."""
    yield from ()
    assert given.budget is not None, "the command shows the budget"
    document = quota(given.budget)
    return Shown(("quota", "value"), list(_rows(document)), document)


def quota(now: BudgetNow) -> dict[str, Any]:
    """What is left of the budget, and how often each set is read with it."""
    budget, policy = now.budget, now.budget.policy
    stretch = now.stretch
    return {
        "requests": policy.requests,
        "per_seconds": policy.per_ms / 1000,
        "spent": budget.spent(now.now_ms),
        "left_for_polls": budget.left(Use.READ, now.now_ms),
        "left_for_writes": budget.left(Use.WRITE, now.now_ms),
        "kept_for_writes": policy.reserve,
        "polls_wait_seconds": budget.wait_ms(Use.READ, now.now_ms) / 1000,
        "writes_wait_seconds": budget.wait_ms(Use.WRITE, now.now_ms) / 1000,
        "sets": {
            name: {
                "every_seconds": every_s,
                "now_every_seconds": round(every_s * stretch, 1),
                "readings_a_day": round(DAY_S / (every_s * stretch)),
            }
            for name, every_s in now.beats.items()
        },
    }


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "requests", f"{document['requests']} in any {lasting(document['per_seconds'])}"
    yield "spent", str(document["spent"])
    kept = document["kept_for_writes"]
    yield "left for writes", f"{document['left_for_writes']}{_wait(document['writes_wait_seconds'])}"
    yield (
        "left for polls",
        f"{document['left_for_polls']}, {kept} are kept for writes{_wait(document['polls_wait_seconds'])}",
    )
    for name, one in document["sets"].items():
        beat, present = lasting(one["every_seconds"]), lasting(one["now_every_seconds"])
        fresh = f"read every {present}" + (
            f", because the budget runs low; its beat is {beat}" if present != beat else ""
        )
        yield name, fresh


def _wait(seconds: float) -> str:
    return f"; the next one in {lasting(seconds)}" if seconds else ""


QUOTA: Final = VendorCommand(
    name="quota",
    meaning="Show what is left of the day's requests.",
    details="It counts the requests of all workers and commands of the account in the last 24 hours, by the state topic"
    " of its poller. No request is sent to Komet.",
    example="relay vendor komet quota --json",
    side="poller",
    takes="nothing",
    flow=show_quota,
    shows_budget=True,
)
