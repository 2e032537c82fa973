"""An order or a window that is too much for one answer stops no other."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tests.vendors.dcl.answers import FIRST, HOUR, NOW, ROW, answer, asked
from tests.vendors.dcl.vendor_model import dcl
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors.contract import TooLong, TooSlow
from workers.vendors.dcl.poller import TOO_LARGE

AT = "2014-11-26T11:06:40Z"


@pytest.mark.parametrize(
    "slow",
    [
        TooSlow("no answer within 30 s"),
        httpx.Response(504, text="<html>upstream request timeout"),
        httpx.Response(408),
        httpx.Response(524),
        answer(status=500, error_code=7, error_message="Execution Timeout Expired. The timeout period elapsed"),
    ],
)
def test_a_window_that_times_out_is_asked_for_in_halves(slow: TooSlow | httpx.Response) -> None:
    """The same request would time out again, and the cursor would never move."""
    flow = dcl(9).window(0, HOUR, NOW)
    next(flow)
    half = flow.throw(slow) if isinstance(slow, TooSlow) else flow.send(slow)
    assert asked(half)["modified_to"] == "2014-11-26T11:36:40Z"
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW))
    assert end.value.value.time_range == TimeRange(FIRST, FIRST + 1_800_000)


def test_a_second_and_an_order_that_time_out_are_faults() -> None:
    """DCL is down, rather than asked for too much."""
    for flow in (dcl(9).window(0, TimeRange(FIRST, FIRST + 1000), NOW), dcl(9).by_key(0, ["10501/TEST02"])):
        next(flow)
        with pytest.raises(StopIteration) as end:
            flow.throw(TooSlow("no answer within 30 s"))
        assert end.value.value == Unavailable("no answer within 30 s")


def test_order_numbers_whose_answer_times_out_are_asked_for_in_halves() -> None:
    flow = dcl(9).by_key(0, ["10501/TEST02", "10501/B"])
    next(flow)
    assert "TEST02" in str(flow.throw(TooSlow("no answer within 30 s")).url)
    flow.send(answer(ROW))
    with pytest.raises(StopIteration) as end:
        flow.send(answer())
    assert [order.order_number for order in end.value.value.orders] == ["TEST02"]


def with_one_too_large(flow: Any, large: Sequence[int], count: int = 12) -> Any:
    """Drive a flow by a vendor with so many orders in one second; those at the ``large`` places are too large."""
    request = next(flow)
    try:
        for _ in range(500):
            size, page = int(asked(request)["page_size"]), int(asked(request)["page"])
            shown = range((page - 1) * size, min(count, page * size))
            if set(shown) & set(large):
                request = flow.throw(TooLong("the answer is longer than 67108864 bytes"))
            else:
                request = flow.send(
                    answer(*(ROW | {"order_number": f"O{number}", "modified_at": AT} for number in shown))
                )
    except StopIteration as end:
        return end.value
    raise AssertionError("the flow never ends")


@pytest.mark.parametrize("large", [0, 5, 8, 11])
@pytest.mark.parametrize("page_size", [4, 6, 9])
def test_an_order_that_is_too_large_to_be_read_stops_no_other(large: int, page_size: int) -> None:
    """Its page is read by smaller ones, down to the order alone, which is left out and counted."""
    flow = dcl(page_size).window(0, TimeRange(FIRST, FIRST + 1000), NOW)
    reading = with_one_too_large(flow, [large])
    assert {order.order_number for order in reading.orders} == {f"O{n}" for n in range(12) if n != large}
    assert reading.time_range == TimeRange(FIRST, FIRST + 1000)
    assert reading.notes[TOO_LARGE] == 1


def test_a_vendor_whose_every_answer_is_too_long_is_a_fault() -> None:
    fault = with_one_too_large(dcl(9).window(0, TimeRange(FIRST, FIRST + 1000), NOW), range(12))
    assert fault == Unavailable("more than 3 orders of one second are too large to be read")


def test_a_sweep_leaves_out_the_order_that_is_too_large() -> None:
    flow = dcl(9).by_key(0, ["10501/LARGE", "10501/TEST02"])
    next(flow)
    flow.throw(TooLong("too long"))
    flow.throw(TooLong("too long"))
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW))
    assert [order.order_number for order in end.value.value.orders] == ["TEST02"]
    assert end.value.value.notes == {TOO_LARGE: 1}
