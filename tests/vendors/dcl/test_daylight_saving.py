"""Polls in the nights of 2026 on which Pacific clocks change, with stamps that have no offset."""

from datetime import datetime

import pytest

from tests.vendors.dcl.vendor_model import Clock, Log, SimulatedVendor, dcl, missed, poll, relay
from workers.devkit.simulators.faults import Faults

NIGHTS = {
    "2026-03-08: 02:00 becomes 03:00": "2026-03-08T08:30:00+00:00",
    "2026-11-01: 02:00 becomes 01:00": "2026-11-01T07:30:00+00:00",
}


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("page_size", [3, 100])
def test_no_change_is_missed_or_repeated_while_the_clocks_change(night: str, naive: bool, page_size: int) -> None:
    """A poll every five minutes for three hours, with changes before each."""
    clock = Clock(int(datetime.fromisoformat(NIGHTS[night]).timestamp() * 1000))
    vendor = SimulatedVendor(Faults(changes=0, naive_times=naive, visible_after=5), clock)
    log, strategy = Log(), relay(60_000)
    for _ in range(36):
        vendor.ledger.happen(2, vendor.faults)
        poll(vendor, dcl(page_size), log, strategy)
        clock.now_ms += 300_000
    poll(vendor, dcl(page_size), log, strategy)
    assert missed(vendor, log) == set()
    for number in vendor.stages():
        sequences = [change.sequence for change in log.changes if change.order.order_number == number]
        assert sequences == list(range(1, len(sequences) + 1))


def test_requests_are_in_utc_in_every_season() -> None:
    vendor = SimulatedVendor(
        Faults(changes=0), Clock(int(datetime.fromisoformat("2026-11-01T08:59:00Z").timestamp() * 1000))
    )
    poll(vendor, dcl(100), Log(), relay(60_000))
    assert "modified_to=2026-11-01T08%3A59%3A02Z" in vendor.asked[0]
