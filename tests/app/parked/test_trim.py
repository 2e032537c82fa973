"""Nothing open is ever removed from the parked topic."""

from hypothesis import given
from hypothesis import strategies as st

from workers.app.parked.trim import floor
from workers.core.parked.fence import Fence, ParkReason

FIRSTS = st.lists(st.none() | st.integers(0, 100))


@given(limit=st.integers(0, 100), firsts=FIRSTS)
def test_the_floor_is_below_every_open_record_and_not_beyond_the_limit(limit: int, firsts: list[int | None]) -> None:
    fences = [Fence(ParkReason.REJECTED, "no", 0, 1, first) for first in firsts]
    found = floor(limit, fences)
    assert found <= limit
    assert all(found <= first for first in firsts if first is not None)
    assert found == limit or found in firsts
