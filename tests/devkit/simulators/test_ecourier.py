"""e-Courier's sink, its session and the HTTP client against the simulated e-Courier."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx
import pytest

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Skipped, Throttled, Unavailable, Unknown
from workers.core.events import Created, Event, Status
from workers.devkit.simulators import SimulatorOptions
from workers.devkit.simulators.ecourier import EcourierSimulator
from workers.devkit.simulators.ecourier import simulator as new_simulator
from workers.devkit.simulators.server import Effect
from workers.edges.http.client import open_client
from workers.edges.http.transport import TransportPolicy
from workers.vendors.contract import Attempt, Call, LoginFailed, MaybeSent, NotSent
from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.session import EcourierSession
from workers.vendors.ecourier.sink import EcourierSink

Deliver: TypeAlias = Callable[..., Awaitable[Outcome]]
Ask: TypeAlias = Callable[..., Awaitable[httpx.Response]]

KEY = "demo-key"
AT_ONCE = 64
STOPS: list[Any] = [
    {"Sequence": "1", "StopType": "P", "ScheduledDateTime": "11/13/2019 6:00:00 AM", "ScheduledDateTimeTZ": "EST"},
    {"Sequence": "2", "StopType": "D"},
]
ORDER: dict[str, Any] = {
    "OrderNumber": "OR-1",
    "CustomerCode": "Alpha",
    "Service": "Route",
    "Auth": "1234779",
    "Pieces": {"Piece": [{"Sequence": "1", "Reference": "test1234barcode", "Pieces": "2"}]},
    "Stops": {"Stop": STOPS},
}


def account(base_url: str, **given: str) -> dict[str, str]:
    login = {"WEBSITE": "example", "USERNAME": "user1", "PASSWORD": KEY, "USER_GUID": ""}
    return login | {"BASE_URL": base_url, "CUSTOMER_CODE": "Alpha", "TIME_ZONE": "America/New_York"} | given


def order(order_id: str, service: str = "Route") -> Created:
    stop: dict[str, Any] = {
        **dict.fromkeys(("scheduled_at", "early_at", "late_at", "time_zone", "name", "address", "city", "state")),
        **dict.fromkeys(("postal_code", "country", "phone", "note")),
        "scheduled_at": 1_773_000_000_000,
        "pieces": [1],
    }
    delivery = {
        "customer_code": None,
        "service": service,
        "reference": f"R-{order_id}",
        "notes": "ring twice",
        "pieces": [{"sequence": 1, "reference": "BOX", "quantity": 1, "weight": 3.5, "description": None}],
        "stops": [stop | {"sequence": 1, "type": "pickup"}, stop | {"sequence": 2, "type": "destination"}],
    }
    content: Any = {"order": {"order_id": order_id, "status": None, "delivery": delivery}}
    return Created(order_id, content)


def cancel(order_id: str) -> Status:
    content: Any = {"order_id": order_id, "status": "canceled"}
    return Status(order_id, content)


@pytest.fixture
async def ecourier() -> AsyncIterator[EcourierSimulator]:
    simulator = new_simulator(SimulatorOptions())
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def ask(ecourier: EcourierSimulator) -> AsyncIterator[Ask]:
    base = f"{ecourier.server.base_url}/example/software/xml/ecJsonPost.asmx"
    async with httpx.AsyncClient(base_url=base, headers={"UserGUID": KEY}) as client:

        async def send(endpoint: str, json: Any = None, method: str = "POST", **options: Any) -> httpx.Response:
            return await client.request(method, f"/{endpoint}", json=json, **options)

        yield send


@pytest.fixture
async def deliver(ecourier: EcourierSimulator) -> AsyncIterator[Deliver]:
    """One try of an event, by the real sink over the real client with one session for all."""
    mine = account(f"{ecourier.server.base_url}/example/software/xml/ecJsonPost.asmx")
    sink, session = EcourierSink(EcourierOptions(), mine), EcourierSession(EcourierOptions(), mine)
    base = httpx.URL(mine["BASE_URL"])
    client = open_client(base, TransportPolicy(max_in_flight=AT_ONCE, request_timeout_s=5.0), session)

    async def send(event: Event, **how: Any) -> Outcome:
        call = sink.prepare(event)
        assert isinstance(call, Call)
        try:
            [outcome] = await client.run(sink.deliver([Attempt(call, **how)]))
        except MaybeSent as lost:
            return Unknown(str(lost))
        except NotSent as lost:
            return Unavailable(str(lost))
        except LoginFailed as failed:
            return failed.outcome
        return outcome

    yield send
    await client.close()


async def until_done(deliver: Deliver, event: Event) -> list[Outcome]:
    """Retry as the worker does: after one unknown outcome every attempt counts as possibly repeated."""
    outcomes: list[Outcome] = []
    while not outcomes or isinstance(outcomes[-1], Unknown | Unavailable):
        unknown = any(isinstance(each, Unknown) for each in outcomes)
        outcomes.append(await deliver(event, number=len(outcomes) + 1, unknown=unknown))
    return outcomes


def said(response: httpx.Response) -> str:
    body = response.json()
    return f"{response.status_code} {body['status']} {body.get('statusdescription', '')}"


class TestSimulator:
    async def test_a_login_gives_a_guid_that_later_requests_carry(self, ask: Ask, ecourier: EcourierSimulator) -> None:
        login = await ask("Login", {"website": "example", "username": "user1", "password": KEY})
        token = login.json()["UserGUID"]
        assert (login.status_code, login.json()["status"], len(token)) == (200, "0", 38)
        headers = {"UserGUID": token}
        await ask("SaveOrder", {"Order": ORDER}, headers=headers)
        shown = (await ask("GetJsonOrder", {"OrderNumber": "OR-1"}, headers=headers)).json()["Order"]
        assert shown["@UserGUID"] == token
        assert (await ask("RefreshGUID", {}, headers=headers)).json() == {"status": "0", "UserGUID": token}
        stats = ecourier.server.stats()
        assert (stats["logins"], stats["refreshes"]) == (1, 1)

    async def test_a_second_save_updates_and_x_cancels(self, ask: Ask, ecourier: EcourierSimulator) -> None:
        await ask("SaveOrder", {"Order": ORDER})
        await ask("SaveOrder", {"Order": ORDER})
        await ask("SaveOrder", {"Order": {"OrderNumber": "OR-1", "Notes": "new"}})
        await ask("SaveOrder", {"Order": {"OrderNumber": "OR-1", "OrderStatus": "X"}})
        assert ecourier.ledger.effects == [
            Effect("OR-1", "create", 1),
            Effect("OR-1", "update", 2),
            Effect("OR-1", "update", 3),
            Effect("OR-1", "cancel", 4),
        ]
        stats = ecourier.server.stats()
        assert (stats["orders"], stats["repeats"], stats["duplicates"]) == (1, 1, 0)
        assert stats["orders_by_status"] == {"X": 1}
        shown = ecourier.ledger.orders()["OR-1"]
        assert (shown["@Notes"], shown["@Service"]) == ("new", "Route")

    async def test_a_second_order_for_one_reference_is_a_duplicate(self, ask: Ask, ecourier: EcourierSimulator) -> None:
        numberless = {name: value for name, value in ORDER.items() if name != "OrderNumber"}
        for each in (ORDER, numberless, numberless):
            await ask("SaveOrder", {"Order": each})
        assert ecourier.server.stats()["duplicates"] == 2
        assert list(ecourier.ledger.orders()) == ["OR-1", "2074", "2075"]


class TestSink:
    @pytest.mark.parametrize(("code", "kind"), [(-1, Unknown), (-2, Rejected), (-3, Unavailable), (-6, Denied)])
    async def test_each_code_of_the_vendor_has_its_outcome(
        self, code: int, kind: type, ask: Ask, ecourier: EcourierSimulator, deliver: Deliver
    ) -> None:
        await deliver(order("0"))  # a session is there
        await ecourier.set_faults(error_rate=1, error_statuses=[code])
        assert (await ask("SaveOrder", {"Order": ORDER})).json()["status"] == str(code)
        outcome = await deliver(order("1"))
        assert type(outcome) is (Unavailable if kind is Unknown else kind)  # the look-up comes first

    async def test_an_order_is_saved_found_changed_and_canceled(
        self, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        saved = await deliver(order("7"))
        assert isinstance(saved, Delivered)
        assert saved.mark is not None
        assert saved.mark.order_number == "OR-7"
        assert await deliver(order("7")) == Delivered(found=True, mark=saved.mark)
        assert isinstance(await deliver(order("7", service="Rush")), Delivered)
        assert isinstance(await deliver(cancel("7")), Delivered)
        assert isinstance(await deliver(cancel("8")), Skipped)
        assert [effect.what for effect in ecourier.ledger.effects] == ["create", "update", "cancel"]
        assert ecourier.server.stats()["logins"] == 1

    async def test_an_order_whose_collections_come_as_objects_is_found_equal(
        self, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        await ecourier.set_faults(single_as_object=True)
        await deliver(order("7"))
        again = await deliver(order("7"))
        assert isinstance(again, Delivered)
        assert again.found

    async def test_another_systems_order_with_our_number_is_not_changed(
        self, deliver: Deliver, ask: Ask, ecourier: EcourierSimulator
    ) -> None:
        await ask("SaveOrder", {"Order": ORDER | {"OrderNumber": "OR-7"}})
        assert isinstance(await deliver(order("7")), Rejected)
        assert ecourier.ledger.orders()["OR-7"]["@Auth"] == "1234779"

    @pytest.mark.parametrize("dead", [-5, 401, 403])
    async def test_an_ended_session_costs_one_login_and_no_attempt(
        self, dead: int, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        await ecourier.set_faults(token_uses=3, dead_token=dead)
        outcomes = [await deliver(order(str(number))) for number in range(6)]
        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        stats = ecourier.server.stats()
        assert (stats["creates"], stats["logins"], stats["dead_tokens"]) == (6, 4, 3)

    async def test_a_refused_login_is_denied(self, deliver: Deliver, ecourier: EcourierSimulator) -> None:
        ecourier.ledger.secret = "changed"
        assert isinstance(await deliver(order("1")), Denied)
        await ecourier.set_faults(deny=401)
        assert isinstance(await deliver(order("1")), Denied)
        await ecourier.set_faults(deny=0, throttle=2)
        assert await deliver(order("1")) == Throttled(2.0, 429)
        assert ecourier.ledger.effects == []

    async def test_one_failed_login_answers_for_all_requests_in_flight(
        self, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        """Each request finds its session ended. A login for each would be a login storm on a vendor that refused us."""
        await deliver(order("first"))
        before = ecourier.ledger.requests["Login"]
        ecourier.ledger.secret = "changed"
        await ecourier.set_faults(token_uses=0, latency=0.01)
        outcomes = await asyncio.gather(*(deliver(order(str(number))) for number in range(AT_ONCE)))
        assert {type(outcome) for outcome in outcomes} == {Denied}
        assert ecourier.ledger.requests["Login"] == before + 1

    async def test_an_order_is_unavailable_while_the_vendor_is_down_and_delivered_after(
        self, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        await ecourier.set_faults(down=True)
        assert isinstance(await deliver(order("1")), Unavailable)
        await ecourier.set_faults(down=False)
        assert isinstance(await deliver(order("1")), Delivered)

    async def test_each_order_is_created_once_though_answers_are_lost(
        self, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        """A fifth of all answers is lost, those of look-ups and logins too."""
        await ecourier.set_faults(reset_after=0.2)
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> list[Outcome]:
            async with limit:
                return await until_done(deliver, order(str(number)))

        outcomes = await asyncio.gather(*(one(number) for number in range(300)))
        stats = ecourier.server.stats()
        assert all(isinstance(each[-1], Delivered) for each in outcomes)
        assert (stats["creates"], stats["updates"], stats["duplicates"], stats["repeats"]) == (300, 0, 0, 0)
        assert any(each[-1].found for each in outcomes if isinstance(each[-1], Delivered))

    async def test_each_order_is_created_once_though_sessions_end_at_one_login_each(
        self, deliver: Deliver, ecourier: EcourierSimulator
    ) -> None:
        await ecourier.set_faults(token_uses=50, latency=0.005)
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> Outcome:
            async with limit:
                return await deliver(order(str(number)))

        outcomes = await asyncio.gather(*(one(number) for number in range(300)))
        stats = ecourier.server.stats()
        assert [each for each in outcomes if not isinstance(each, Delivered)] == []
        assert (stats["creates"], stats["duplicates"], stats["updates"]) == (300, 0, 0)
        assert stats["logins"] in {stats["dead_tokens"], stats["dead_tokens"] + 1}
