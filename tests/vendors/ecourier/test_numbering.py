"""A site that numbers orders by itself gets no second courier for an order."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.vendors.ecourier.conftest import attempt_of, created_of, sink_of, status_of, talk_of
from tests.vendors.ecourier.test_flows import ABSENT, DONE, DOWN, endpoints, known_of, mark_of, there
from workers.core.delivery.outcome import Delivered, Denied, Rejected, Throttled, Unavailable
from workers.vendors.contract import Attempt


def other() -> Attempt:
    return attempt_of(created_of("B-2"))


def test_the_first_save_of_a_process_is_looked_up_afterwards_and_no_later_one_is() -> None:
    sink, mine = sink_of(proven=False), attempt_of()
    asked, outcomes = talk_of(sink.deliver([mine]), ABSENT, DONE, there(mine))
    assert endpoints(asked) == ["GetJsonOrder", "SaveOrder", "GetJsonOrder"]
    assert outcomes == [Delivered(status=200, mark=mark_of(mine))]
    asked, _ = talk_of(sink.deliver([other()]), ABSENT, DONE)
    assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
    asked, _ = talk_of(sink.deliver([attempt_of(created_of(notes="new"), known=known_of())]), DONE)
    assert endpoints(asked) == ["SaveOrder"]


@pytest.mark.parametrize("number", [None, "2073"])
def test_a_site_that_numbers_by_itself_shuts_the_gate(number: str | None) -> None:
    """``number``: the site answers with another order than the requested one."""
    sink, mine = sink_of(proven=False), attempt_of()
    lost = ABSENT if number is None else there(mine, OrderNumber=number)
    [saved] = talk_of(sink.deliver([mine]), ABSENT, DONE, lost)[1]
    assert saved == Delivered(status=200, mark=mark_of(mine), note="saved_order_not_found")  # so it is sent once
    update = attempt_of(created_of(notes="new"), known=known_of())
    for attempt in (update, other(), attempt_of(status_of(), known=known_of())):
        asked, [held] = talk_of(sink.deliver([attempt]), lost)
        assert endpoints(asked) == ["GetJsonOrder"]
        assert isinstance(held, Denied)
        assert held.is_of_account
        assert "order OR-A-1" in held.reason
        assert "number orders by itself" in held.reason


def test_a_site_that_shows_an_order_late_opens_the_gate_again() -> None:
    sink, mine = sink_of(proven=False), attempt_of()
    talk_of(sink.deliver([mine]), ABSENT, DONE, ABSENT)
    assert isinstance(talk_of(sink.deliver([other()]), ABSENT)[1][0], Denied)
    asked, [outcome] = talk_of(sink.deliver([other()]), there(mine), ABSENT, DONE)
    assert endpoints(asked) == ["GetJsonOrder", "GetJsonOrder", "SaveOrder"]
    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (DOWN, Unavailable),
        (httpx.Response(429), Throttled),
        (httpx.Response(401), Denied),
        (httpx.Response(500, json={"status": "-4", "statusdescription": "odd"}), Unavailable),
    ],
    ids=str,
)
def test_a_look_up_that_fails_leaves_the_save_delivered_and_is_repeated_before_the_next(
    trouble: Any, kind: type
) -> None:
    sink, mine = sink_of(proven=False), attempt_of()
    assert talk_of(sink.deliver([mine]), ABSENT, DONE, trouble)[1] == [Delivered(status=200, mark=mark_of(mine))]
    asked, [held] = talk_of(sink.deliver([other()]), trouble)
    assert (endpoints(asked), type(held)) == (["GetJsonOrder"], kind)
    assert isinstance(talk_of(sink.deliver([other()]), there(mine), ABSENT, DONE)[1][0], Delivered)


def test_after_a_restart_an_update_of_an_order_that_is_not_found_sends_no_second_courier() -> None:
    sink = sink_of(proven=False)
    update = attempt_of(created_of(notes="new"), known=known_of())
    for attempt in (update, attempt_of(created_of(notes="new"), known=known_of(), unknown=True, number=2)):
        asked, [outcome] = talk_of(sink.deliver([attempt]), ABSENT)
        assert endpoints(asked) == ["GetJsonOrder"]
        assert isinstance(outcome, Rejected)
    asked, [outcome] = talk_of(sink.deliver([update]), there(attempt_of()), DONE)
    assert (endpoints(asked), type(outcome)) == (["GetJsonOrder", "SaveOrder"], Delivered)
    assert sink.numbering.proven


def test_a_found_order_of_ours_proves_the_numbering_and_a_strangers_does_not() -> None:
    mine = attempt_of()
    for event in (mine, attempt_of(status_of())):
        sink = sink_of(proven=False)
        talk_of(sink.deliver([event]), there(mine, CustomerCode="Stranger"))
        assert not sink.numbering.proven
        talk_of(sink.deliver([event]), there(mine, OrderStatus="X" if event is not mine else "N"))
        assert sink.numbering.proven
