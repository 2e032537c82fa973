"""ECDP's flows, driven by `next` and `send`."""

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from tests.vendors.ecdp.answers import ABSENT, BASE, GET, NO, POST, PUT, YES, answer, talk, there
from tests.vendors.ecdp.conftest import attempt_of, created_of, sink_of, status_of
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Flow, MaybeSent, NotSent
from workers.vendors.ecdp.api import FoundOrder
from workers.vendors.ecdp.flows import delete, find
from workers.vendors.ecdp.requests import ecdp_requests
from workers.vendors.ecdp.sink import EcdpOptions, EcdpSink

HERE = ecdp_requests(BASE, "key-canary")
SAID_NO = Rejected("HTTP 400: no", 400)


def serve(flow: Flow[Any], vendor: Callable[[httpx.Request], httpx.Response]) -> Any:
    """Let the vendor answer until the flow ends."""
    try:
        request = next(flow)
        while True:
            request = flow.send(vendor(request))
    except StopIteration as stop:
        return stop.value


def ids_of(request: httpx.Request) -> list[str]:
    return [order["id"] for order in orjson.loads(request.content)["data"]]


class TestCreate:
    def test_many_orders_are_one_request(self) -> None:
        flow = sink_of().deliver([attempt_of("a"), attempt_of("b")])
        assert ids_of(next(flow)) == ["a", "b"]
        with pytest.raises(StopIteration) as stop:
            flow.send(YES)
        assert stop.value.value == [Delivered(status=201), Delivered(status=201)]

    def test_one_bad_order_is_found_by_halving_and_good_ones_are_sent_once(self) -> None:
        sent: list[list[str]] = []

        def vendor(request: httpx.Request) -> httpx.Response:
            sent.append(ids_of(request))
            return NO if "c" in sent[-1] else YES

        outcomes = serve(sink_of().deliver([attempt_of(each) for each in "abcd"]), vendor)
        assert [type(each) for each in outcomes] == [Delivered, Delivered, Rejected, Delivered]
        assert sent == [["a", "b", "c", "d"], ["a", "b"], ["c"], ["d"]]

    @pytest.mark.parametrize(
        ("fault", "outcome", "rest"),
        [
            (answer(429, None, **{"retry-after": "5"}), Throttled(5.0, 429), Throttled(5.0, 429)),
            (answer(401), Denied, Denied),
            (NotSent("refused"), Unavailable("refused"), Unavailable("refused")),
        ],
        ids=["throttled", "denied", "not sent"],
    )
    def test_a_fault_during_halving_keeps_earlier_outcomes(self, fault: Any, outcome: Any, rest: Any) -> None:
        _, outcomes = talk(sink_of().deliver([attempt_of(each) for each in "abcd"]), NO, YES, fault)
        assert outcomes[:2] == [Delivered(status=201)] * 2
        for got, wanted in zip(outcomes[2:], [outcome, rest], strict=True):
            assert got == wanted if not isinstance(wanted, type) else isinstance(got, wanted)

    def test_lost_answers_make_only_what_was_sent_unknown(self) -> None:
        _, outcomes = talk(
            sink_of().deliver([attempt_of(each) for each in "abcdefgh"]), NO, NO, MaybeSent("reset"), MaybeSent("reset")
        )
        assert outcomes[:4] == [Unknown("reset")] * 4
        assert outcomes[4:] == [Unavailable("not sent: reset")] * 4

    def test_too_large_a_request_is_halved_down_to_one_order(self) -> None:
        _, outcomes = talk(
            sink_of().deliver([attempt_of(each) for each in "abc"]), answer(413), answer(413), YES, answer(413), YES
        )
        assert [type(each) for each in outcomes] == [Delivered, Rejected, Delivered]

    def test_an_order_that_failed_in_batches_too_often_goes_alone(self) -> None:
        flow = sink_of().deliver([attempt_of("poison", 4), attempt_of("a"), attempt_of("b"), attempt_of("c", 5)])
        assert ids_of(next(flow)) == ["a", "b"]
        assert ids_of(flow.send(YES)) == ["poison"]
        assert ids_of(flow.send(answer(500))) == ["c"]
        with pytest.raises(StopIteration) as stop:
            flow.send(YES)
        assert [type(each) for each in stop.value.value] == [Unavailable, Delivered, Delivered, Delivered]

    def test_one_order_twice_in_a_batch_is_an_error_of_the_caller(self) -> None:
        with pytest.raises(AssertionError, match="one order twice"):
            next(sink_of().deliver([attempt_of("a"), attempt_of("a")]))

    def test_a_repeat_of_add_or_replace_needs_no_look_up(self) -> None:
        assert talk(sink_of().deliver([attempt_of(unknown=True, number=2)]), YES) == ([POST], [Delivered(status=201)])

    def test_a_server_error_means_not_applied_for_add_or_replace(self) -> None:
        assert talk(sink_of().deliver([attempt_of()]), answer(500))[1] == [Unavailable("HTTP 500", 500)]


class TestAdd:
    @pytest.fixture
    def adds(self) -> EcdpSink:
        ecdp: EcdpSink = sink_of(mode="Add")
        return ecdp

    def test_a_refused_add_that_ecdp_has_was_delivered_earlier(self, adds: EcdpSink) -> None:
        mine = attempt_of()
        assert talk(adds.deliver([mine]), NO, there(mine)) == ([POST, GET], [Delivered(found=True)])

    def test_a_refused_add_that_ecdp_does_not_have_is_rejected(self, adds: EcdpSink) -> None:
        assert talk(adds.deliver([attempt_of()]), NO, ABSENT) == ([POST, GET], [SAID_NO])

    def test_a_different_order_of_the_same_id_is_rejected_with_the_fields(self, adds: EcdpSink) -> None:
        mine = attempt_of()
        _, [outcome] = talk(adds.deliver([mine]), NO, there(mine, totalValue=1, currency=None))
        assert outcome == Rejected("HTTP 400: no; ECDP has another order of this id; different: totalValue", status=400)

    @pytest.mark.parametrize(
        ("trouble", "outcome"),
        [
            (answer(429), Throttled(None, 429)),
            (answer(500), Unavailable("HTTP 500", 500)),
            (NotSent("refused"), Unavailable("look-up: refused")),
            (MaybeSent("reset"), Unavailable("look-up: reset")),
            (answer(200, {"data": 7}), Unavailable("look-up: the answer holds no order that can be read", 200)),
        ],
        ids=["throttled", "error", "not sent", "reset", "unreadable"],
    )
    def test_a_failed_look_up_rejects_no_order(self, trouble: Any, outcome: Outcome, adds: EcdpSink) -> None:
        assert talk(adds.deliver([attempt_of()]), NO, trouble)[1] == [outcome]

    def test_a_server_error_leaves_an_add_unknown(self, adds: EcdpSink) -> None:
        assert talk(adds.deliver([attempt_of()]), answer(502))[1] == [Unknown("HTTP 502", 502)]
        assert talk(adds.deliver([attempt_of()]), answer(503))[1] == [Unavailable("HTTP 503", 503)]

    def test_an_unknown_add_is_looked_up_before_it_is_sent_again(self, adds: EcdpSink) -> None:
        mine = attempt_of(unknown=True, number=2)
        assert talk(adds.deliver([mine]), there(mine)) == ([GET], [Delivered(found=True)])
        assert talk(adds.deliver([mine]), ABSENT, YES) == ([GET, POST], [Delivered(status=201)])

    def test_only_orders_that_ecdp_does_not_have_are_sent(self, adds: EcdpSink) -> None:
        first, second, third = (attempt_of(each, 2, unknown=True) for each in "abc")
        flow = adds.deliver([first, second, third])
        next(flow)
        flow.send(there(first))
        assert next_url(flow.send(ABSENT)) == "GET /orders/c"
        assert ids_of(flow.send(ABSENT)) == ["b", "c"]
        with pytest.raises(StopIteration) as stop:
            flow.send(YES)
        assert stop.value.value == [Delivered(found=True), Delivered(status=201), Delivered(status=201)]

    def test_an_unknown_add_is_not_sent_while_the_look_up_fails(self, adds: EcdpSink) -> None:
        first, second = (attempt_of(each, 2, unknown=True) for each in "ab")
        outcomes = talk(adds.deliver([first, second]), answer(500))
        assert outcomes == (["GET /orders/a"], [Unknown("HTTP 500", 500)] * 2)

    @pytest.mark.parametrize(
        "changed",
        [
            {"date": "2024-11-06T11:10:00.0550000+01:00", "currency": "usd", "totalValue": "150.000"},
            {"customer": {"id": 7, "email": "a@B.C ", "phone": "1555", "crmId": "known"}},
            {"products": [{"price": 0.10000001, "quantity": 2}, {"price": "75", "quantity": "2.0"}]},
            {"date": "2024-11-06T10:10:00Z", "currency": None, "customer": None},
            {"customer": {"email": "a&amp;#64;b.c", "phone": "001 555", "crmId": ""}},
            {"date": "6 November", "id": 12345, "totalValue": None, "products": None},
            {"products": [{"price": 30, "quantity": 2.5}, {"price": "many", "quantity": 1.5}], "websiteId": "x"},
        ],
        ids=range(7),
    )
    def test_a_look_up_knows_the_order_however_a_site_writes_it(
        self, changed: dict[str, Any], adds: EcdpSink, mine: Any
    ) -> None:
        assert talk(adds.deliver([mine]), NO, there(mine, **changed))[1] == [Delivered(found=True)]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("date", "2024-11-07T10:10:00Z"),
            ("totalValue", "149.5"),
            ("customer", {"email": "other@b.c"}),
            ("products", []),
            ("currency", "EUR"),
        ],
    )
    def test_a_look_up_names_what_only_another_order_can_have(
        self, field: str, value: Any, adds: EcdpSink, mine: Any
    ) -> None:
        [outcome] = talk(adds.deliver([mine]), NO, there(mine, **{field: value}))[1]
        assert outcome.detail.endswith(f"different: {field}")

    @pytest.mark.parametrize("deleted", [{"status": "IsDeleted"}, {"isDeleted": True}], ids=str)
    def test_an_order_that_is_marked_as_deleted_is_another_one(
        self, deleted: dict[str, Any], adds: EcdpSink, mine: Any
    ) -> None:
        [outcome] = talk(adds.deliver([mine]), NO, there(mine, **deleted))[1]
        assert isinstance(outcome, Rejected)
        assert outcome.detail.endswith("different: IsDeleted")

    @pytest.fixture
    def mine(self) -> Any:
        lines = [{"product_id": "p1"}, {"product_id": "p2", "unit_price": "0.1"}]
        return attempt_of(created_of(currency="USD", customer={"email": "A@b.c", "phone": "+1 555"}, lines=lines))


def next_url(request: httpx.Request) -> str:
    return f"{request.method} {request.url.raw_path.decode()}"


class TestStatus:
    def test_a_status_is_one_request(self) -> None:
        assert talk(sink_of().deliver([attempt_of(status_of())]), answer(200)) == ([PUT], [Delivered(status=200)])

    def test_not_found_is_an_unknown_order(self) -> None:
        assert talk(sink_of().deliver([attempt_of(status_of())]), ABSENT) == (
            [PUT],
            [UnknownOrder("HTTP 404: Not Found", 404)],
        )

    @pytest.mark.parametrize(
        ("look", "outcome"),
        [
            (ABSENT, UnknownOrder("HTTP 404: Not Found", 404)),
            (answer(200, {"data": {"id": "12345"}}), SAID_NO),
            (answer(400, {"title": "odd"}), SAID_NO),
            (answer(503), Unavailable("HTTP 503", 503)),
            (answer(429), Throttled(None, 429)),
            (NotSent("refused"), Unavailable("look-up: refused")),
        ],
        ids=["absent", "there", "refused", "down", "throttled", "not sent"],
    )
    def test_a_refused_status_is_followed_by_a_look_up(self, look: Any, outcome: Outcome) -> None:
        assert talk(sink_of().deliver([attempt_of(status_of())]), NO, look) == ([PUT, GET], [outcome])

    def test_a_lost_answer_is_raised_out_of_the_flow(self) -> None:
        flow = sink_of().deliver([attempt_of(status_of())])
        next(flow)
        with pytest.raises(MaybeSent):
            flow.throw(MaybeSent("reset"))


class TestOthers:
    def test_find_gives_the_order(self) -> None:
        asked, found = talk(find(HERE, "a/b ?#%.."), answer(200, {"status": 0, "data": {"id": "x", "new": 1}}))
        assert asked == ["GET /orders/a%2Fb%20%3F%23%25.."]
        assert isinstance(found, FoundOrder)

    def test_delete_marks_the_order(self) -> None:
        assert talk(delete(HERE, "ż"), answer(200)) == (["DELETE /orders/%C5%BC"], Delivered(status=200))
        assert isinstance(talk(delete(HERE, "x"), ABSENT)[1], UnknownOrder)

    @pytest.mark.parametrize("order_id", ["", ".", "..", "a\r\nb", "x" * 129])
    def test_an_id_that_would_change_the_path_sends_nothing(self, order_id: str) -> None:
        for flow in (find(HERE, order_id), delete(HERE, order_id)):
            with pytest.raises(LimitError):
                next(flow)

    @pytest.mark.parametrize(
        ("response", "outcome"),
        [
            (ABSENT, Delivered(status=404)),
            (answer(200, {"data": {"id": "order-relay-check"}}), Delivered(status=200)),
            (answer(429), Throttled(None, 429)),
        ],
    )
    def test_a_check_is_one_harmless_read(self, response: Any, outcome: Outcome) -> None:
        assert talk(sink_of().check(), response) == (["GET /orders/order-relay-check"], outcome)

    @pytest.mark.parametrize("variable", [{"API_KEY": ""}, {"API_KEY": "a\nb"}, {"BASE_URL": "ftp://x"}])
    def test_unusable_variables_are_denied_without_a_request(self, variable: dict[str, str]) -> None:
        sink = EcdpSink(EcdpOptions(), {"BASE_URL": BASE, "API_KEY": "k"} | variable)
        assert isinstance(talk(sink.check())[1], Denied)
        assert isinstance(talk(sink.deliver([attempt_of()]))[1][0], Denied)

    def test_a_path_in_the_base_url_stays(self) -> None:
        here = ecdp_requests("http://127.0.0.1:80/proxy/ecdp/", "k")
        assert [here.get("1").url.raw_path, here.orders.raw_path] == [b"/proxy/ecdp/orders/1", b"/proxy/ecdp/orders"]

    @pytest.mark.parametrize("base", ["https://u:p@x.example", "https://x.example?a=b", "x.example", "https://"])
    def test_a_base_url_is_a_plain_address(self, base: str) -> None:
        with pytest.raises(SetUpError):
            ecdp_requests(base, "k")

    def test_no_repr_shows_the_key(self) -> None:
        request = sink_of().preview(attempt_of().call)
        assert request.headers["x-api-key"] == "***"
        assert "key-canary" not in f"{HERE!r} {sink_of()!r}"
