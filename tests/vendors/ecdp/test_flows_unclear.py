"""Answers of ECDP that do not tell what became of an order, and look-ups that a server in between refuses."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from tests.support.events import status_with
from tests.vendors.ecdp.answers import ABSENT, GET, NO, POST, PUT, YES, answer, talk, there
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
    def test_an_order_is_looked_up(self, status: int, body: Any, sink: Any, attempt: Any) -> None:
        mine, unclear = attempt(), httpx.Response(status, content=orjson.dumps(body))
        for mode in ("AddOrReplace", "Add", "Replace"):
            flow = sink(mode=mode)
            asked, [outcome] = talk(flow.deliver([mine]), unclear, ABSENT)
            assert asked == [POST, GET]
            assert isinstance(outcome, Unavailable)
            assert talk(flow.deliver([mine]), unclear, there(mine))[1] == [Delivered(status=status)]
            [other] = talk(flow.deliver([mine]), unclear, there(mine, totalValue=1))[1]
            assert isinstance(other, Unknown)

    @pytest.mark.parametrize(
        "answered", [httpx.Response(202), httpx.Response(207, json={"status": 0}), httpx.Response(203, json={})]
    )
    def test_other_statuses_of_success_are_not_known(self, answered: Any, sink: Any, attempt: Any) -> None:
        assert isinstance(talk(sink().deliver([attempt()]), answered, ABSENT)[1][0], Unavailable)

    def test_an_order_whose_texts_are_older_is_not_delivered(self, sink: Any, attempt: Any, created: Any) -> None:
        mine = attempt(created(lines=[{"name": "new name"}]))
        old = there(mine, products=[{"id": "p001", "name": "old name", "price": 75, "quantity": 2}])
        assert isinstance(talk(sink().deliver([mine]), answer(200, SAYS_NO[0]), old)[1][0], Unknown)

    def test_a_status_is_looked_up(self, sink: Any, attempt: Any, status: Any) -> None:
        mine, unclear = attempt(status()), answer(200, SAYS_NO[0])
        paid, placed = (answer(200, {"data": {"id": "1", "status": each}}) for each in ("Paid", "placed"))
        assert talk(sink().deliver([mine]), unclear, paid) == ([PUT, GET], [Delivered(status=200)])
        assert isinstance(talk(sink().deliver([mine]), unclear, placed)[1][0], Unknown)
        assert isinstance(talk(sink().deliver([mine]), unclear, ABSENT)[1][0], UnknownOrder)

    def test_a_vendor_that_tells_nothing_is_asked_once_a_batch(self, sink: Any, attempt: Any) -> None:
        outcomes = talk(sink().deliver([attempt("a"), attempt("b")]), answer(200, SAYS_NO[0]), answer(500))
        assert outcomes[0] == [POST, "GET /orders/a"]
        assert all(isinstance(each, Unknown) for each in outcomes[1])


class TestImpossibleLookUp:
    """A server in between refuses to look up this one id; ECDP answers its other requests."""

    @pytest.mark.parametrize("order_id", ["WEB/2026/0001", "A:1", "A%2e", "A.", "A+1", "A\\1"])
    @pytest.mark.parametrize("status", [302, 400, 403, 404, 405, 406, 414, 451])
    def test_a_status_waits_for_its_create(self, status: int, order_id: str, sink: Any, attempt: Any) -> None:
        page = httpx.Response(status, headers={"content-type": "text/html"}, content=b"<html>Not Found</html>")
        _, [outcome] = talk(sink().deliver([attempt(status_with(order_id, "paid", None))]), NO, page)
        assert isinstance(outcome, UnknownOrder)
        assert f"the look-up was answered with a page (HTTP {status}); the order id holds `" in outcome.detail

    def test_a_refused_add_stays_refused(self, sink: Any, attempt: Any) -> None:
        page = httpx.Response(404, content=b"<html>")
        [outcome] = talk(sink(mode="Add").deliver([attempt("a/b")]), NO, page)[1]
        assert isinstance(outcome, Rejected)
        assert outcome.detail.endswith("answered with a page (HTTP 404); the order id holds `/`")

    def test_an_unknown_add_is_not_sent_again_and_others_are(self, sink: Any, attempt: Any) -> None:
        first, second = attempt("a/b", 2, unknown=True), attempt("b", 2, unknown=True)
        flow = sink(mode="Add").deliver([first, second])
        _, outcomes = talk(flow, httpx.Response(404, content=b"<html>"), ABSENT, YES)
        assert [type(each) for each in outcomes] == [Unknown, Delivered]
