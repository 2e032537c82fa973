"""Answers of ECDP that do not tell what became of an order, and look-ups that a server in between refuses."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from tests.support.events import status_with
from tests.vendors.ecdp.answers import ABSENT, GET, NO, POST, PUT, YES, answer, talk, there
from tests.vendors.ecdp.conftest import attempt_of, created_of, sink_of, status_of
from workers.core.delivery.outcome import Delivered, Rejected, Unavailable, Unknown, UnknownOrder

SAYS_NO: list[Any] = [
    {"success": False, "message": "order not stored"},
    {"type": "about:blank", "title": "Bad Request", "status": 0, "detail": "customer missing"},
    {"responses": [{"status": 400}]},
    {"status": "error"},
    {"status": 0, "data": {"success": False}},
    {"status": 0, "success": False},
    {"error": {"code": 400}},
    [{"status": 400}, {"status": 200}],
    None,
    False,
    "failed",
    [],
    {"d": None},
]


class TestUnclearSuccess:
    """2xx, and nothing that is known to mean success: only a look-up that shows the content delivers."""

    @pytest.mark.parametrize("body", SAYS_NO, ids=range(len(SAYS_NO)))
    @pytest.mark.parametrize("status", [200, 201, 207])
    def test_an_order_is_looked_up(self, status: int, body: Any) -> None:
        mine, unclear = attempt_of(), httpx.Response(status, content=orjson.dumps(body))
        for mode in ("AddOrReplace", "Add", "Replace"):
            flow = sink_of(mode=mode)
            asked, [outcome] = talk(flow.deliver([mine]), unclear, ABSENT)
            assert asked == [POST, GET]
            assert isinstance(outcome, Unavailable)
            assert talk(flow.deliver([mine]), unclear, there(mine))[1] == [Delivered(status=status)]
            [other] = talk(flow.deliver([mine]), unclear, there(mine, totalValue=1))[1]
            assert isinstance(other, Unknown)

    @pytest.mark.parametrize(
        "answered", [httpx.Response(202), httpx.Response(207, json={"status": 0}), httpx.Response(203, json={})]
    )
    def test_other_statuses_of_success_are_not_known(self, answered: Any) -> None:
        assert isinstance(talk(sink_of().deliver([attempt_of()]), answered, ABSENT)[1][0], Unavailable)

    def test_an_order_whose_texts_are_older_is_not_delivered(self) -> None:
        mine = attempt_of(created_of(lines=[{"name": "new name"}]))
        old = there(mine, products=[{"id": "p001", "name": "old name", "price": 75, "quantity": 2}])
        assert isinstance(talk(sink_of().deliver([mine]), answer(200, SAYS_NO[0]), old)[1][0], Unknown)

    def test_a_status_is_looked_up(self) -> None:
        mine, unclear = attempt_of(status_of()), answer(200, SAYS_NO[0])
        paid, placed = (answer(200, {"data": {"id": "1", "status": each}}) for each in ("Paid", "placed"))
        assert talk(sink_of().deliver([mine]), unclear, paid) == ([PUT, GET], [Delivered(status=200)])
        assert isinstance(talk(sink_of().deliver([mine]), unclear, placed)[1][0], Unknown)
        assert isinstance(talk(sink_of().deliver([mine]), unclear, ABSENT)[1][0], UnknownOrder)

    def test_a_vendor_that_tells_nothing_is_asked_once_a_batch(self) -> None:
        outcomes = talk(sink_of().deliver([attempt_of("a"), attempt_of("b")]), answer(200, SAYS_NO[0]), answer(500))
        assert outcomes[0] == [POST, "GET /orders/a"]
        assert all(isinstance(each, Unknown) for each in outcomes[1])


class TestImpossibleLookUp:
    """A server in between refuses to look up this one id; ECDP answers its other requests."""

    @pytest.mark.parametrize("order_id", ["WEB/2026/0001", "A:1", "A%2e", "A.", "A+1", "A\\1"])
    @pytest.mark.parametrize("status", [302, 400, 403, 404, 405, 406, 414, 451])
    def test_a_status_waits_for_its_create(self, status: int, order_id: str) -> None:
        page = httpx.Response(status, headers={"content-type": "text/html"}, content=b"<html>Not Found</html>")
        _, [outcome] = talk(sink_of().deliver([attempt_of(status_with(order_id, "paid", None))]), NO, page)
        assert isinstance(outcome, UnknownOrder)
        assert f"the look-up was answered with a page (HTTP {status}); the order id holds `" in outcome.detail

    def test_a_refused_add_stays_refused(self) -> None:
        page = httpx.Response(404, content=b"<html>")
        [outcome] = talk(sink_of(mode="Add").deliver([attempt_of("a/b")]), NO, page)[1]
        assert isinstance(outcome, Rejected)
        assert outcome.detail.endswith("answered with a page (HTTP 404); the order id holds `/`")

    def test_an_unknown_add_is_not_sent_again_and_others_are(self) -> None:
        first, second = attempt_of("a/b", 2, unknown=True), attempt_of("b", 2, unknown=True)
        flow = sink_of(mode="Add").deliver([first, second])
        _, outcomes = talk(flow, httpx.Response(404, content=b"<html>"), ABSENT, YES)
        assert [type(each) for each in outcomes] == [Unknown, Delivered]
