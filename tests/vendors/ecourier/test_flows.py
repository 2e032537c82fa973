"""e-Courier's flows, driven by `next` and `send`."""

from typing import Any

import httpx
import orjson
import pytest

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Skipped, Throttled, Unavailable, Unknown
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.vendors.contract import Call, Flow, MaybeSent, NotSent

HASH = "h" * 64
ABSENT = httpx.Response(500, json={"status": "-4", "statusdescription": "Order Not Found"})
DONE = httpx.Response(200, json={"status": "0", "statusdescription": "JSON Post Received"})
DOWN = httpx.Response(500, json={"status": "-3", "statusdescription": "Unable to Connect to Database"})
LOCKED = httpx.Response(409, json={"status": "-4", "statusdescription": "Order Unable to Modify"})


def known_of(hash_: str = HASH, *, number: str = "OR-A-1", canceled: bool = False) -> Tracked:
    return Tracked(number, "A-1", since_ms=1, content_hash=hash_, canceled_at_ms=2 if canceled else None)


def there(mine: Any, **changes: Any) -> httpx.Response:
    """The order as e-Courier returns it: with ``@``, and with fields of its own."""
    own = {"UserGUID": "{4D46E5B7-7866-4B17-98C4-9A7A33856981}", "OrderID": "2073", "OrderStatus": "N"}
    fields = own | mine.call.payload.fields | changes
    attributes = {f"@{name}": value for name, value in fields.items() if isinstance(value, str | None)}
    return httpx.Response(
        200, json={"Order": attributes | {n: v for n, v in fields.items() if f"@{n}" not in attributes}}
    )


def endpoints(asked: list[httpx.Request]) -> list[str]:
    return [request.url.path.rpartition("/")[2] for request in asked]


def order_in(request: httpx.Request) -> Any:
    return orjson.loads(request.content)["Order"]


def mark_of(attempt: Any) -> Mark:
    return Mark("OR-A-1", attempt.call.payload.hash)


class TestSave:
    def test_a_first_save_looks_the_order_up_first(self, sink: Any, attempt: Any, talk: Any) -> None:
        mine = attempt()
        asked, outcomes = talk(sink().deliver([mine]), ABSENT, DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert orjson.loads(asked[0].content) == {"OrderNumber": "OR-A-1"}
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    def test_without_look_up_first_a_save_is_one_request(self, sink: Any, attempt: Any, talk: Any) -> None:
        mine = attempt()
        asked, outcomes = talk(sink(look_up_first=False).deliver([mine]), DONE)
        assert endpoints(asked) == ["SaveOrder"]
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    def test_an_equal_order_at_e_courier_is_not_sent_again(self, sink: Any, attempt: Any, talk: Any) -> None:
        mine = attempt()
        asked, outcomes = talk(sink().deliver([mine]), there(mine))
        assert endpoints(asked) == ["GetJsonOrder"]
        assert outcomes == [Delivered(found=True, mark=mark_of(mine))]

    def test_our_order_with_different_content_is_updated(self, sink: Any, attempt: Any, talk: Any) -> None:
        mine = attempt()
        asked, outcomes = talk(sink().deliver([mine]), there(mine, Service="Rush"), DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert "OrderStatus" not in order_in(asked[1])
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    @pytest.mark.parametrize("change", [{"CustomerCode": "Stranger"}, {"OrderNumber": "2073"}])
    def test_a_strangers_order_is_never_overwritten(
        self, change: dict[str, str | None], sink: Any, attempt: Any, talk: Any
    ) -> None:
        mine = attempt()
        for tried in (mine, attempt(unknown=True, number=2)):
            asked, [outcome] = talk(sink().deliver([tried]), there(mine, **change))
            assert endpoints(asked) == ["GetJsonOrder"]
            assert isinstance(outcome, Rejected)
            assert outcome.blocks_following
            assert "not ours" in outcome.detail

    def test_our_order_is_updated_and_canceled_though_its_reference_was_cut(
        self, sink: Any, created: Any, attempt: Any, status: Any, talk: Any
    ) -> None:
        mine = attempt(created(reference="R&D / Dock 7"), unknown=True, number=2)
        cut = there(mine, Auth="R&amp;D / Do")
        asked, outcomes = talk(sink().deliver([mine]), cut, DONE)
        assert order_in(asked[1])["Auth"] == "R&D / Dock 7"
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]
        asked, outcomes = talk(sink().deliver([attempt(status())]), cut, DONE)
        assert (order_in(asked[1])["OrderStatus"], order_in(asked[1])["Auth"]) == ("X", "R&D / Do")

    def test_an_order_without_a_customer_code_counts_as_ours(self, sink: Any, attempt: Any, talk: Any) -> None:
        mine = attempt()
        answer = orjson.loads(there(mine).content)["Order"]
        del answer["@CustomerCode"]
        response = httpx.Response(200, json={"Order": answer | {"Customer": {"CustomerCode": "ALPHA"}}})
        assert isinstance(talk(sink().deliver([mine]), response)[1][0], Delivered)
        stranger = httpx.Response(200, json={"Order": answer | {"Customer": {"CustomerCode": "Beta"}}})
        assert isinstance(talk(sink().deliver([mine]), stranger)[1][0], Rejected)

    def test_after_a_lost_answer_the_order_is_looked_up_before_it_is_sent_again(
        self, sink: Any, attempt: Any, talk: Any
    ) -> None:
        mine = attempt(unknown=True, number=2)
        quick = sink(look_up_first=False)
        assert talk(quick.deliver([mine]), there(mine))[1] == [Delivered(found=True, mark=mark_of(mine))]
        asked, outcomes = talk(quick.deliver([mine]), ABSENT, DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    @pytest.mark.parametrize(
        ("trouble", "outcomes"),
        [
            (MaybeSent("reset"), (Unavailable("look-up: reset"), Unknown("look-up: reset"))),
            (NotSent("refused"), (Unavailable("look-up: refused"), Unknown("look-up: refused"))),
            (httpx.Response(429), (Throttled(None, 429), Throttled(None, 429))),
        ],
        ids=["reset", "not sent", "throttled"],
    )
    def test_a_failed_look_up_prevents_the_save(
        self, trouble: Any, outcomes: tuple[Outcome, Outcome], sink: Any, attempt: Any, talk: Any
    ) -> None:
        """``outcomes``: of a first save, and of a save whose answer was lost."""
        assert talk(sink().deliver([attempt()]), trouble)[1] == [outcomes[0]]
        assert talk(sink().deliver([attempt(unknown=True, number=2)]), trouble)[1] == [outcomes[1]]

    def test_a_failed_look_up_leaves_an_unknown_save_unknown(self, sink: Any, attempt: Any, talk: Any) -> None:
        [first] = talk(sink().deliver([attempt()]), DOWN)[1]
        [again] = talk(sink().deliver([attempt(unknown=True)]), DOWN)[1]
        assert (type(first), type(again)) == (Unavailable, Unknown)
        [odd] = talk(sink().deliver([attempt()]), httpx.Response(200, json={"Order": "x"}))[1]
        assert isinstance(odd, Unavailable)

    def test_a_lost_save_is_raised_out_of_the_flow(self, sink: Any, attempt: Any, talk: Any) -> None:
        with pytest.raises(MaybeSent):
            talk(sink().deliver([attempt()]), ABSENT, MaybeSent("reset"))

    def test_an_order_that_can_no_longer_be_modified_blocks_no_cancellation(
        self, sink: Any, attempt: Any, talk: Any
    ) -> None:
        update = attempt(known=known_of())
        asked, [outcome] = talk(sink().deliver([update]), LOCKED)
        assert endpoints(asked) == ["SaveOrder"]
        assert outcome == Rejected("HTTP 409, status -4: Order Unable to Modify", 409, blocks_following=False)

    def test_a_refused_first_save_blocks_the_cancellation(self, sink: Any, attempt: Any, talk: Any) -> None:
        """Otherwise the cancellation would find no order, and a replay would then save one."""
        _, [outcome] = talk(sink().deliver([attempt()]), ABSENT, LOCKED)
        assert outcome == Rejected("HTTP 409, status -4: Order Unable to Modify", 409, blocks_following=True)


class TestWhatIsKnown:
    def test_an_unchanged_delivery_is_skipped(self, sink: Any, created: Any, attempt: Any) -> None:
        same = attempt().call.payload.hash
        assert sink().prepare(created(), known_of(same)) == Skipped("delivery unchanged", supersedes=True)
        assert isinstance(sink().prepare(created(notes="new"), known_of(same)), Call)

    def test_a_change_of_a_known_order_is_saved_without_a_look_up(
        self, sink: Any, created: Any, attempt: Any, talk: Any
    ) -> None:
        update = attempt(created(notes="new"), known=known_of())
        asked, outcomes = talk(sink().deliver([update]), DONE)
        assert endpoints(asked) == ["SaveOrder"]
        assert outcomes == [Delivered(status=200, mark=mark_of(update))]

    def test_an_order_keeps_the_number_that_it_was_saved_with(self, sink: Any, created: Any, status: Any) -> None:
        known = known_of(number="OLD-A-1")
        for event in (created(), status()):
            call = sink().prepare(event, known)
            assert order_in(sink().preview(call))["OrderNumber"] == "OLD-A-1"

    def test_an_order_placed_again_after_its_cancellation_is_reopened(self, sink: Any, attempt: Any, talk: Any) -> None:
        same = attempt().call.payload.hash
        again = attempt(known=known_of(same, canceled=True))
        asked, outcomes = talk(sink().deliver([again]), DONE)
        assert order_in(asked[0])["OrderStatus"] == "N"
        assert outcomes == [Delivered(status=200, mark=Mark("OR-A-1", same))]
        lost = attempt(known=known_of(same, canceled=True), unknown=True, number=2)
        assigned = there(lost, OrderStatus="A")
        assert talk(sink().deliver([lost]), assigned)[1] == [Delivered(found=True, mark=Mark("OR-A-1", same))]

    def test_a_first_save_opens_a_deleted_order_of_ours(self, sink: Any, attempt: Any, talk: Any) -> None:
        mine = attempt()
        asked, _ = talk(sink().deliver([mine]), there(mine, OrderStatus="X"), DONE)
        assert order_in(asked[1])["OrderStatus"] == "N"

    def test_an_update_does_not_reopen_an_order_that_e_courier_deleted(
        self, sink: Any, attempt: Any, talk: Any
    ) -> None:
        lost = attempt(known=known_of(), unknown=True, number=2)
        asked, _ = talk(sink().deliver([lost]), there(lost, OrderStatus="X"), DONE)
        assert "OrderStatus" not in order_in(asked[1])

    def test_an_order_without_delivery_is_skipped(self, sink: Any, created: Any) -> None:
        assert sink().prepare(created(bare=True)) == Skipped("no delivery")


class TestCancel:
    def test_cancelling_an_existing_order_deletes_it(self, sink: Any, status: Any, attempt: Any, talk: Any) -> None:
        mine, cancel = attempt(), attempt(status())
        asked, outcomes = talk(sink().deliver([cancel]), there(mine), DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert order_in(asked[1]) == {
            "OrderNumber": "OR-A-1",
            "CustomerCode": "Alpha",
            "Service": "Route",
            "Auth": "1234779",
            "OrderStatus": "X",
        }
        assert outcomes == [Delivered(status=200, mark=Mark("OR-A-1", "", canceled=True))]

    def test_the_mark_of_a_cancellation_keeps_the_last_content_hash(
        self, sink: Any, status: Any, attempt: Any, talk: Any
    ) -> None:
        cancel = attempt(status(), known=known_of())
        [outcome] = talk(sink().deliver([cancel]), there(attempt()), DONE)[1]
        assert outcome.mark == Mark("OR-A-1", HASH, canceled=True)

    def test_cancelling_an_order_that_was_never_saved_is_skipped(
        self, sink: Any, status: Any, attempt: Any, talk: Any
    ) -> None:
        assert talk(sink().deliver([attempt(status())]), ABSENT)[1] == [
            Skipped("canceled, and never saved", supersedes=True)
        ]

    def test_cancelling_a_deleted_order_is_delivered(self, sink: Any, status: Any, attempt: Any, talk: Any) -> None:
        gone = there(attempt(), OrderStatus="X")
        [outcome] = talk(sink().deliver([attempt(status(), unknown=True, number=2)]), gone)[1]
        assert outcome == Delivered(found=True, mark=Mark("OR-A-1", "", canceled=True))

    def test_a_strangers_order_is_never_deleted(self, sink: Any, status: Any, attempt: Any, talk: Any) -> None:
        other = there(attempt(), CustomerCode="Beta")
        assert isinstance(talk(sink().deliver([attempt(status())]), other)[1][0], Rejected)
        ours = attempt(status(), known=known_of())  # the event named its customer
        assert isinstance(talk(sink().deliver([ours]), other, DONE)[1][0], Delivered)

    def test_a_refused_cancellation_blocks_later_events(self, sink: Any, status: Any, attempt: Any, talk: Any) -> None:
        no = httpx.Response(409, json={"status": "-4", "statusdescription": "Order Unable to Cancel"})
        [outcome] = talk(sink().deliver([attempt(status())]), there(attempt()), no)[1]
        assert outcome == Rejected("HTTP 409, status -4: Order Unable to Cancel", 409, blocks_following=True)

    def test_a_second_cancellation_and_other_statuses_are_skipped(self, sink: Any, status: Any) -> None:
        assert sink().prepare(status(), known_of(canceled=True)) == Skipped("already canceled", supersedes=True)
        for other in ("placed", "paid", "completed"):
            assert sink().prepare(status(status=other)) == Skipped("e-Courier has no use for this status")

    def test_an_order_created_as_canceled_is_never_saved(
        self, sink: Any, created: Any, talk: Any, attempt: Any
    ) -> None:
        cancel = attempt(created(state="canceled"))
        assert cancel.call.creates_order
        assert isinstance(talk(sink().deliver([cancel]), ABSENT)[1][0], Skipped)


class TestEquality:
    @pytest.mark.parametrize(
        "written",
        [
            {"Service": " route "},
            {
                "Pieces": {
                    "Piece": {"Sequence": "1", "Pieces": "1.0", "Weight": "3.50", "Reference": "r1", "Color": "red"}
                }
            },
            {"Stops": {"Stop": "reversed"}},
            {"Stops": {"Stop": "other date"}},
        ],
        ids=["blanks and case", "numbers, one alone", "another order of stops", "another way to write a date"],
    )
    def test_other_formats_of_the_same_content_are_equal(
        self, written: dict[str, Any], sink: Any, created: Any, attempt: Any, talk: Any
    ) -> None:
        mine = attempt(self.event(created))
        stops = mine.call.payload.fields["Stops"]["Stop"]
        forms = {
            "reversed": stops[::-1],
            "other date": [stops[0] | {"ScheduledDateTime": "07/01/2026 01:00:00 pm"}, stops[1]],
        }
        if "Stops" in written:
            written = {"Stops": {"Stop": forms[written["Stops"]["Stop"]]}}
        assert isinstance(talk(sink().deliver([mine]), there(mine, **written))[1][0], Delivered)

    @pytest.mark.parametrize("field", ["Weight", "Reference", "Name", "ScheduledDateTime", "fewer", "more"])
    def test_different_content_is_saved(self, field: str, sink: Any, created: Any, attempt: Any, talk: Any) -> None:
        mine = attempt(self.event(created))
        piece = mine.call.payload.fields["Pieces"]["Piece"][0]
        stops = mine.call.payload.fields["Stops"]["Stop"]
        changed: dict[str, Any] = {
            "Weight": {"Pieces": {"Piece": piece | {"Weight": "4"}}},
            "Reference": {"Pieces": {"Piece": piece | {"Reference": "r2"}}},
            "Name": {"Stops": {"Stop": [stops[0] | {"Name": "other"}, stops[1]]}},
            "ScheduledDateTime": {
                "Stops": {"Stop": [stops[0] | {"ScheduledDateTime": "7/1/2026 1:00:01 PM"}, stops[1]]}
            },
            "fewer": {"Stops": {"Stop": stops[0]}},
            "more": {"Stops": {"Stop": [*stops, stops[1] | {"Sequence": "3"}]}},
        }
        asked, _ = talk(sink().deliver([mine]), there(mine, **changed[field]), DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]

    @staticmethod
    def event(created: Any) -> Any:
        stops = [
            {"sequence": 1, "type": "pickup", "name": "here", "scheduled_at": "2026-07-01T17:00:00Z", "pieces": [1]},
            {"sequence": 2, "type": "destination", "pieces": [1]},
        ]
        return created(pieces=[{"sequence": 1, "weight": 3.5, "reference": "R1"}], stops=stops)


class TestOthers:
    @pytest.mark.parametrize(
        ("response", "outcome"),
        [
            (ABSENT, Delivered(status=500)),
            (httpx.Response(200, json={"Order": {"@OrderID": "1"}}), Delivered(status=200)),
            (httpx.Response(429), Throttled(None, 429)),
        ],
    )
    def test_a_check_is_one_harmless_read(self, response: Any, outcome: Outcome, sink: Any, talk: Any) -> None:
        asked, value = talk(sink().check(), response)
        assert (endpoints(asked), value) == (["GetJsonOrder"], outcome)

    def test_a_quote_asks_what_a_save_would_send_and_creates_nothing(
        self, sink: Any, created: Any, attempt: Any, talk: Any
    ) -> None:
        answer = httpx.Response(200, json={"Order": {"AmountCharged": "$40.00", "Pieces": {"Piece": {"Pieces": 1}}}})
        asked, found = talk(sink().quote(created()), answer)
        assert endpoints(asked) == ["QuoteOrder"]
        assert order_in(asked[0]) == attempt().call.payload.fields
        assert found.fields["AmountCharged"] == "$40.00"
        assert talk(sink().quote(created(bare=True)))[1] == Skipped("no delivery")
        refused = talk(sink().quote(created()), httpx.Response(500, json={"status": "-4"}))[1]
        assert isinstance(refused, Rejected)

    @pytest.mark.parametrize("variable", [{"BASE_URL": "ftp://x"}, {"TIME_ZONE": "nowhere"}])
    def test_unusable_variables_are_denied_without_a_request(
        self, variable: dict[str, str], sink: Any, attempt: Any, created: Any, talk: Any
    ) -> None:
        flows: list[Flow[Any]] = [sink(variable).check(), sink(variable).quote(created())]
        assert all(isinstance(talk(flow)[1], Denied) for flow in flows)
        assert isinstance(sink(variable).prepare(created()), Call)
        assert isinstance(talk(sink(variable).deliver([attempt()]))[1][0], Denied)

    def test_no_repr_shows_a_secret(self, sink: Any, attempt: Any) -> None:
        assert "canary" not in f"{sink()!r} {attempt()!r} {sink().preview(attempt().call).headers!r}"
