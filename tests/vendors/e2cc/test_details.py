"""The details of many records at once: which faults are one record's, and which are E2CC's."""

import httpx

from tests.vendors.e2cc.account import answer
from tests.vendors.e2cc.simulated import Simulated
from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.core.poll.vendor_set import Details
from workers.vendors.contract import PollFault


def detailed_with(*answers: httpx.Response) -> tuple[Details | PollFault, int]:
    """What came of asking for five orders' details with these answers, and how many were asked for."""
    e2cc = Simulated()
    flow = e2cc.poller.details("orders", e2cc.read("orders").rows[:5])
    asked, left = 0, list(answers)
    try:
        request = next(flow)
        while True:
            asked += "/orders/SO" in request.url.path
            request = flow.send(left.pop(0) if left else e2cc.answer(request))
    except StopIteration as stop:
        found: Details | PollFault = stop.value
        return found, asked


def test_a_record_that_e2cc_cannot_show_keeps_back_no_other() -> None:
    """After several faults in a row, a lost key or a throttle the fault is E2CC's, and nothing more is asked."""
    failed = answer({"error": "x"}, 500)
    found, asked = detailed_with(failed)
    assert isinstance(found, Details)
    assert (len(found.rows), asked) == (4, 5)
    found, asked = detailed_with(failed, failed, failed)
    assert (type(found), asked) == (Unavailable, 3)
    for account_fault in (answer([], 401), answer([], 429)):
        found, asked = detailed_with(account_fault)
        assert (isinstance(found, Denied | Throttled), asked) == (True, 1)
