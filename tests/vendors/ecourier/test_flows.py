"""e-Courier's flows, driven by `next` and `send`."""

from typing import Any

import httpx
import orjson
import pytest

from tests.vendors.ecourier.conftest import attempt_of, created_of, sink_of, status_of, talk_of
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
    def test_a_first_save_looks_the_order_up_first(self) -> None:
        mine = attempt_of()
        asked, outcomes = talk_of(sink_of().deliver([mine]), ABSENT, DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert orjson.loads(asked[0].content) == {"OrderNumber": "OR-A-1"}
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    def test_without_look_up_first_a_save_is_one_request(self) -> None:
        mine = attempt_of()
        asked, outcomes = talk_of(sink_of(look_up_first=False).deliver([mine]), DONE)
        assert endpoints(asked) == ["SaveOrder"]
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    def test_an_equal_order_at_e_courier_is_not_sent_again(self) -> None:
        mine = attempt_of()
        asked, outcomes = talk_of(sink_of().deliver([mine]), there(mine))
        assert endpoints(asked) == ["GetJsonOrder"]
        assert outcomes == [Delivered(found=True, mark=mark_of(mine))]

    def test_our_order_with_different_content_is_updated(self) -> None:
        mine = attempt_of()
        asked, outcomes = talk_of(sink_of().deliver([mine]), there(mine, Service="Rush"), DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert "OrderStatus" not in order_in(asked[1])
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]

    @pytest.mark.parametrize("change", [{"CustomerCode": "Stranger"}, {"OrderNumber": "2073"}])
    def test_a_strangers_order_is_never_overwritten(self, change: dict[str, str | None]) -> None:
        mine = attempt_of()
        for tried in (mine, attempt_of(unknown=True, number=2)):
            asked, [outcome] = talk_of(sink_of().deliver([tried]), there(mine, **change))
            assert endpoints(asked) == ["GetJsonOrder"]
            assert isinstance(outcome, Rejected)
            assert outcome.blocks_following
            assert "not ours" in outcome.detail

    def test_our_order_is_updated_and_canceled_though_its_reference_was_cut(self) -> None:
        mine = attempt_of(created_of(reference="R&D / Dock 7"), unknown=True, number=2)
        cut = there(mine, Auth="R&amp;D / Do")
        asked, outcomes = talk_of(sink_of().deliver([mine]), cut, DONE)
        assert order_in(asked[1])["Auth"] == "R&D / Dock 7"
        assert outcomes == [Delivered(status=200, mark=mark_of(mine))]
        asked, outcomes = talk_of(sink_of().deliver([attempt_of(status_of())]), cut, DONE)
        assert (order_in(asked[1])["OrderStatus"], order_in(asked[1])["Auth"]) == ("X", "R&D / Do")

    def test_an_order_without_a_customer_code_counts_as_ours(self) -> None:
        mine = attempt_of()
        answer = orjson.loads(there(mine).content)["Order"]
        del answer["@CustomerCode"]
        response = httpx.Response(200, json={"Order": answer | {"Customer": {"CustomerCode": "ALPHA"}}})
        assert isinstance(talk_of(sink_of().deliver([mine]), response)[1][0], Delivered)
        stranger = httpx.Response(200, json={"Order": answer | {"Customer": {"CustomerCode": "Beta"}}})
        assert isinstance(talk_of(sink_of().deliver([mine]), stranger)[1][0], Rejected)

    def test_after_a_lost_answer_the_order_is_looked_up_before_it_is_sent_again(self) -> None:
        mine = attempt_of(unknown=True, number=2)
        quick = sink_of(look_up_first=False)
        assert talk_of(quick.deliver([mine]), there(mine))[1] == [Delivered(found=True, mark=mark_of(mine))]
        asked, outcomes = talk_of(quick.deliver([mine]), ABSENT, DONE)
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
    def test_a_failed_look_up_prevents_the_save(self, trouble: Any, outcomes: tuple[Outcome, Outcome]) -> None:
        """``outcomes``: of a first save, and of a save whose answer was lost."""
        assert talk_of(sink_of().deliver([attempt_of()]), trouble)[1] == [outcomes[0]]
        assert talk_of(sink_of().deliver([attempt_of(unknown=True, number=2)]), trouble)[1] == [outcomes[1]]

    def test_a_failed_look_up_leaves_an_unknown_save_unknown(self) -> None:
        [first] = talk_of(sink_of().deliver([attempt_of()]), DOWN)[1]
        [again] = talk_of(sink_of().deliver([attempt_of(unknown=True)]), DOWN)[1]
        assert (type(first), type(again)) == (Unavailable, Unknown)
        [odd] = talk_of(sink_of().deliver([attempt_of()]), httpx.Response(200, json={"Order": "x"}))[1]
        assert isinstance(odd, Unavailable)

    def test_a_lost_save_is_raised_out_of_the_flow(self) -> None:
        with pytest.raises(MaybeSent):
            talk_of(sink_of().deliver([attempt_of()]), ABSENT, MaybeSent("reset"))

    def test_an_order_that_can_no_longer_be_modified_blocks_no_cancellation(self) -> None:
        update = attempt_of(known=known_of())
        asked, [outcome] = talk_of(sink_of().deliver([update]), LOCKED)
        assert endpoints(asked) == ["SaveOrder"]
        assert outcome == Rejected("HTTP 409, status -4: Order Unable to Modify", 409, blocks_following=False)
        bare = talk_of(sink_of().deliver([update]), httpx.Response(409))[1]
        assert bare == [Rejected("HTTP 409", 409, blocks_following=False)]

    def test_a_refused_first_save_blocks_the_cancellation(self) -> None:
        """Otherwise the cancellation would find no order, and a replay would then save one."""
        _, [outcome] = talk_of(sink_of().deliver([attempt_of()]), ABSENT, LOCKED)
        assert outcome == Rejected("HTTP 409, status -4: Order Unable to Modify", 409, blocks_following=True)


class TestWhatIsKnown:
    def test_an_unchanged_delivery_is_skipped(self) -> None:
        same = attempt_of().call.payload.hash
        assert sink_of().prepare(created_of(), known_of(same)) == Skipped("delivery unchanged", supersedes=True)
        assert isinstance(sink_of().prepare(created_of(notes="new"), known_of(same)), Call)

    def test_a_change_of_a_known_order_is_saved_without_a_look_up(self) -> None:
        update = attempt_of(created_of(notes="new"), known=known_of())
        asked, outcomes = talk_of(sink_of().deliver([update]), DONE)
        assert endpoints(asked) == ["SaveOrder"]
        assert outcomes == [Delivered(status=200, mark=mark_of(update))]

    def test_an_order_keeps_the_number_that_it_was_saved_with(self) -> None:
        known = known_of(number="OLD-A-1")
        for event in (created_of(), status_of()):
            call = sink_of().prepare(event, known)
            assert order_in(sink_of().preview(call))["OrderNumber"] == "OLD-A-1"

    def test_an_order_placed_again_after_its_cancellation_is_reopened(self) -> None:
        same = attempt_of().call.payload.hash
        again = attempt_of(known=known_of(same, canceled=True))
        asked, outcomes = talk_of(sink_of().deliver([again]), DONE)
        assert order_in(asked[0])["OrderStatus"] == "N"
        assert outcomes == [Delivered(status=200, mark=Mark("OR-A-1", same))]
        lost = attempt_of(known=known_of(same, canceled=True), unknown=True, number=2)
        assigned = there(lost, OrderStatus="A")
        assert talk_of(sink_of().deliver([lost]), assigned)[1] == [Delivered(found=True, mark=Mark("OR-A-1", same))]

    def test_a_first_save_opens_a_deleted_order_of_ours(self) -> None:
        mine = attempt_of()
        asked, _ = talk_of(sink_of().deliver([mine]), there(mine, OrderStatus="X"), DONE)
        assert order_in(asked[1])["OrderStatus"] == "N"

    def test_an_update_does_not_reopen_an_order_that_e_courier_deleted(self) -> None:
        lost = attempt_of(known=known_of(), unknown=True, number=2)
        asked, _ = talk_of(sink_of().deliver([lost]), there(lost, OrderStatus="X"), DONE)
        assert "OrderStatus" not in order_in(asked[1])

    def test_an_order_without_delivery_is_skipped(self) -> None:
        assert sink_of().prepare(created_of(bare=True)) == Skipped("no delivery")

    def test_a_delivery_that_a_later_event_takes_out_is_canceled(self) -> None:
        gone = attempt_of(created_of(bare=True), known=known_of())
        assert gone.call.creates_order
        asked, [outcome] = talk_of(sink_of().deliver([gone]), there(attempt_of()), DONE)
        assert order_in(asked[1])["OrderStatus"] == "X"
        assert outcome.mark == Mark("OR-A-1", HASH, canceled=True)
        twice = sink_of().prepare(created_of(bare=True), known_of(canceled=True))
        assert twice == Skipped("already canceled", supersedes=True)


class TestCancel:
    def test_cancelling_an_existing_order_deletes_it(self) -> None:
        mine, cancel = attempt_of(), attempt_of(status_of())
        asked, outcomes = talk_of(sink_of().deliver([cancel]), there(mine), DONE)
        assert endpoints(asked) == ["GetJsonOrder", "SaveOrder"]
        assert order_in(asked[1]) == {
            "OrderNumber": "OR-A-1",
            "CustomerCode": "Alpha",
            "Service": "Route",
            "Auth": "1234779",
            "OrderStatus": "X",
        }
        assert outcomes == [Delivered(status=200, mark=Mark("OR-A-1", "", canceled=True))]

    def test_the_mark_of_a_cancellation_keeps_the_last_content_hash(self) -> None:
        cancel = attempt_of(status_of(), known=known_of())
        [outcome] = talk_of(sink_of().deliver([cancel]), there(attempt_of()), DONE)[1]
        assert outcome.mark == Mark("OR-A-1", HASH, canceled=True)

    def test_cancelling_an_order_that_was_never_saved_is_skipped(self) -> None:
        assert talk_of(sink_of().deliver([attempt_of(status_of())]), ABSENT)[1] == [
            Skipped("canceled, and never saved", supersedes=True)
        ]

    def test_a_saved_order_that_is_not_found_is_no_silent_skip(self) -> None:
        for event in (status_of(), created_of(state="canceled"), created_of(bare=True)):
            cancel = attempt_of(event, known=known_of())
            asked, [outcome] = talk_of(sink_of().deliver([cancel]), ABSENT)
            assert endpoints(asked) == ["GetJsonOrder"]
            assert isinstance(outcome, Rejected)
            assert outcome.blocks_following
            assert "a courier may still drive" in outcome.detail

    def test_cancelling_a_deleted_order_is_delivered(self) -> None:
        gone = there(attempt_of(), OrderStatus="X")
        [outcome] = talk_of(sink_of().deliver([attempt_of(status_of(), unknown=True, number=2)]), gone)[1]
        assert outcome == Delivered(found=True, mark=Mark("OR-A-1", "", canceled=True))

    def test_a_strangers_order_is_never_deleted(self) -> None:
        other = there(attempt_of(), CustomerCode="Beta")
        assert isinstance(talk_of(sink_of().deliver([attempt_of(status_of())]), other)[1][0], Rejected)
        ours = attempt_of(status_of(), known=known_of())  # the event named its customer
        assert isinstance(talk_of(sink_of().deliver([ours]), other, DONE)[1][0], Delivered)

    def test_a_refused_cancellation_blocks_later_events(self) -> None:
        no = httpx.Response(409, json={"status": "-4", "statusdescription": "Order Unable to Cancel"})
        [outcome] = talk_of(sink_of().deliver([attempt_of(status_of())]), there(attempt_of()), no)[1]
        assert outcome == Rejected("HTTP 409, status -4: Order Unable to Cancel", 409, blocks_following=True)

    def test_a_second_cancellation_and_other_statuses_are_skipped(self) -> None:
        assert sink_of().prepare(status_of(), known_of(canceled=True)) == Skipped("already canceled", supersedes=True)
        for other in ("placed", "paid", "completed"):
            assert sink_of().prepare(status_of(status=other)) == Skipped("e-Courier has no use for this status")

    def test_an_order_created_as_canceled_is_never_saved(self) -> None:
        cancel = attempt_of(created_of(state="canceled"))
        assert cancel.call.creates_order
        assert isinstance(talk_of(sink_of().deliver([cancel]), ABSENT)[1][0], Skipped)


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
    def test_other_formats_of_the_same_content_are_equal(self, written: dict[str, Any]) -> None:
        mine = attempt_of(self.event(created_of))
        stops = mine.call.payload.fields["Stops"]["Stop"]
        forms = {
            "reversed": stops[::-1],
            "other date": [stops[0] | {"ScheduledDateTime": "07/01/2026 01:00:00 pm"}, stops[1]],
        }
        if "Stops" in written:
            written = {"Stops": {"Stop": forms[written["Stops"]["Stop"]]}}
        assert isinstance(talk_of(sink_of().deliver([mine]), there(mine, **written))[1][0], Delivered)

    @pytest.mark.parametrize("field", ["Weight", "Reference", "Name", "ScheduledDateTime", "fewer", "more"])
    def test_different_content_is_saved(self, field: str) -> None:
        mine = attempt_of(self.event(created_of))
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
        asked, _ = talk_of(sink_of().deliver([mine]), there(mine, **changed[field]), DONE)
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
    def test_a_check_is_one_harmless_read(self, response: Any, outcome: Outcome) -> None:
        asked, value = talk_of(sink_of().check(), response)
        assert (endpoints(asked), value) == (["GetJsonOrder"], outcome)

    def test_a_check_names_a_guid_that_no_login_can_replace(self) -> None:
        _, value = talk_of(sink_of({"PASSWORD": ""}).check(), ABSENT)
        assert value.remarks[0].startswith("only {USER_GUID} is set")

    def test_a_quote_asks_what_a_save_would_send_and_creates_nothing(self) -> None:
        answer = httpx.Response(200, json={"Order": {"AmountCharged": "$40.00", "Pieces": {"Piece": {"Pieces": 1}}}})
        asked, found = talk_of(sink_of().quote(created_of()), answer)
        assert endpoints(asked) == ["QuoteOrder"]
        assert order_in(asked[0]) == attempt_of().call.payload.fields
        assert found.fields["AmountCharged"] == "$40.00"
        assert talk_of(sink_of().quote(created_of(bare=True)))[1] == Skipped("no delivery")
        refused = talk_of(sink_of().quote(created_of()), httpx.Response(500, json={"status": "-4"}))[1]
        assert isinstance(refused, Rejected)

    @pytest.mark.parametrize("variable", [{"BASE_URL": "ftp://x"}, {"TIME_ZONE": "nowhere"}])
    def test_unusable_variables_are_denied_without_a_request(self, variable: dict[str, str]) -> None:
        flows: list[Flow[Any]] = [sink_of(variable).check(), sink_of(variable).quote(created_of())]
        assert all(isinstance(talk_of(flow)[1], Denied) for flow in flows)
        assert isinstance(sink_of(variable).prepare(created_of()), Call)
        assert isinstance(talk_of(sink_of(variable).deliver([attempt_of()]))[1][0], Denied)

    def test_no_repr_shows_a_secret(self) -> None:
        assert "canary" not in f"{sink_of()!r} {attempt_of()!r} {sink_of().preview(attempt_of().call).headers!r}"
