"""An order is at fault when it alone meets the vendor's faults again and again, while others are delivered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.core.consume.suspicion import OWN_FAULT_AFTER, Suspicion

STEPS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30)  # another is delivered before; sent alone


@given(steps=STEPS)
def test_only_faults_alone_after_anothers_delivery_count(steps: list[tuple[bool, bool]]) -> None:
    held, delivered_at = Suspicion(0.0, 0.0), -1.0
    for now, (delivered, alone) in enumerate(steps, start=1):
        delivered_at = now - 0.5 if delivered else delivered_at
        held = held.again(now, delivered_at=delivered_at, alone=alone)
    assert held.is_own_fault == (steps.count((True, True)) >= OWN_FAULT_AFTER)
    assert (held.times, held.since) == (1 + len(steps), 0.0)


@given(times=st.integers(1, 5000), jitter=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_and_stay_bounded(times: int, jitter: float) -> None:
    assert 0.5 <= Suspicion(0.0, 0.0, times).pause(jitter) <= 30.0
