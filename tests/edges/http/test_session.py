"""All requests that find the token dead share one login, and its failure."""

import asyncio
import gc
from typing import Any

import httpx
import pytest

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.edges.http.session import Observer, SharedSession
from workers.vendors.contract import Flow, LoginFailed, MaybeSent

REFUSED = Denied("login: no")
DEAD, TAKEN = httpx.Response(401), httpx.Response(200)


class Account:
    """A session whose logins the test answers: a new token, or a refusal."""

    def __init__(self, *logins: str | Denied) -> None:
        self.token: str | None = "old"
        self.waiting = list(logins)
        self.refuses: str | None = None  # the note of a renewal; empty: it succeeds; None: none is due
        self.idle_s: list[float] = []

    def sign(self, request: httpx.Request) -> None:
        request.headers["token"] = self.token or ""

    def is_dead(self, response: httpx.Response) -> bool:
        return response is DEAD

    def login(self) -> Flow[Denied | Throttled | Unavailable | None]:
        yield httpx.Request("POST", "https://vendor.test/login")
        given = self.waiting.pop(0)
        if isinstance(given, Denied):
            return given
        self.token = given
        return None

    def renew(self, idle: float) -> Flow[str | None] | None:
        self.idle_s.append(idle)
        return self.refresh() if self.refuses is not None else None

    def refresh(self) -> Flow[str | None]:
        try:
            yield httpx.Request("POST", "https://vendor.test/refresh")
        except MaybeSent:
            return "lost"
        return self.refuses or None


class Vendor:
    """Holds every request until the test answers it."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, asyncio.Future[httpx.Response]]] = asyncio.Queue()

    async def send(self, request: httpx.Request) -> httpx.Response:
        answer: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        await self.asked.put((request.headers["token"], answer))
        return await answer

    async def next(self) -> tuple[str, asyncio.Future[httpx.Response]]:
        return await asyncio.wait_for(self.asked.get(), 5)


async def run(flow: Flow[Any], observer: Observer) -> Any:
    """Answers the login at once; the account says what it gives."""
    next(flow)
    try:
        flow.send(TAKEN)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("one request is a login")


def two_under_way(account: Account, vendor: Vendor) -> tuple[SharedSession, list[asyncio.Task[httpx.Response]]]:
    shared = SharedSession(account, vendor.send, run)
    loop = asyncio.get_running_loop()
    return shared, [loop.create_task(shared.send(httpx.Request("POST", "https://vendor.test/"))) for _ in range(2)]


async def assert_a_later_request_logs_in_once_more(shared: SharedSession, vendor: Vendor) -> None:
    later = asyncio.create_task(shared.send(httpx.Request("POST", "https://vendor.test/")))
    (await vendor.next())[1].set_result(DEAD)
    token, answer = await vendor.next()
    answer.set_result(TAKEN)
    assert (token, await later, shared.logins) == ("new", TAKEN, 2)


async def test_failed_login_fails_all_requests_under_way() -> None:
    """The second request finds its token dead only afterwards: a login of its own would begin a storm."""
    vendor = Vendor()
    shared, (first, second) = two_under_way(Account(REFUSED, REFUSED), vendor)
    answers = [(await vendor.next())[1] for _ in range(2)]
    for sent, answer in zip((first, second), answers, strict=True):
        answer.set_result(DEAD)
        with pytest.raises(LoginFailed) as failed:
            await sent
        assert failed.value.outcome == REFUSED
    assert shared.logins == 1


async def test_request_after_a_failed_login_logs_in() -> None:
    vendor = Vendor()
    shared, (first, second) = two_under_way(Account(REFUSED, "new"), vendor)
    for answer in [(await vendor.next())[1] for _ in range(2)]:
        answer.set_result(DEAD)
    assert all(isinstance(one, LoginFailed) for one in await asyncio.gather(first, second, return_exceptions=True))
    await assert_a_later_request_logs_in_once_more(shared, vendor)


async def test_dead_token_costs_one_login_however_late_a_request_notices() -> None:
    vendor = Vendor()
    shared, (first, second) = two_under_way(Account("new"), vendor)
    answers = [(await vendor.next())[1] for _ in range(2)]
    for sent, answer in zip((first, second), answers, strict=True):
        answer.set_result(DEAD)
        token, again = await vendor.next()
        again.set_result(TAKEN)
        assert (token, await sent) == ("new", TAKEN)
    assert shared.logins == 1


async def test_token_that_died_before_its_first_use_is_replaced_by_a_later_request() -> None:
    """The vendor was restarted right after the login: without another login it would accept no request any more."""
    vendor = Vendor()
    shared, both = two_under_way(Account("unborn", "new"), vendor)
    for _ in range(4):
        (await vendor.next())[1].set_result(DEAD)
    assert await asyncio.gather(*both) == [DEAD, DEAD]
    assert shared.logins == 1, "requests under way share one login"
    await assert_a_later_request_logs_in_once_more(shared, vendor)


async def test_request_that_no_token_helps_ends_although_others_are_accepted() -> None:
    """Each login gives the token that is good for all others: without an end the gate would never see this request."""
    vendor = Vendor()
    shared, (other, refused) = two_under_way(Account(*["old"] * 99), vendor)
    (await vendor.next())[1].set_result(TAKEN)
    assert await other is TAKEN
    while not refused.done():
        asking = asyncio.create_task(vendor.next())
        await asyncio.wait((asking, refused), return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            asking.result()[1].set_result(DEAD)
        asking.cancel()
    assert await refused is DEAD
    assert shared.logins <= 10


async def test_failed_login_that_no_request_waits_for_is_not_logged_as_an_error() -> None:
    vendor, said = Vendor(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def late(flow: Flow[Any], observer: Observer) -> Any:
        begun.set()
        await go_on.wait()
        return await run(flow, observer)

    account = Account(REFUSED)
    account.token = None
    shared = SharedSession(account, vendor.send, late)
    waiting = asyncio.create_task(shared.send(httpx.Request("POST", "https://vendor.test/")))
    await begun.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    go_on.set()
    while account.waiting:  # noqa: ASYNC110 - no event tells of this state
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    del shared
    gc.collect()
    assert said == []


@pytest.mark.parametrize("lost", [False, True])
async def test_a_renewal_that_fails_leaves_the_token_as_old_as_it_was_and_is_not_repeated_at_once(lost: bool) -> None:
    async def send(_: httpx.Request) -> httpx.Response:
        if lost:
            raise MaybeSent("reset")
        return TAKEN

    account = Account()
    shared = SharedSession(account, send, run)
    used_at = shared.used_at = shared.used_at - 1000.0
    account.refuses = "not_renewed"
    assert await shared.keep_alive() == ("lost" if lost else "not_renewed")
    assert shared.used_at == used_at
    assert await shared.keep_alive() is None
    assert len(account.idle_s) == 1


async def test_a_renewal_that_succeeds_makes_the_token_new() -> None:
    async def send(_: httpx.Request) -> httpx.Response:
        return TAKEN

    account = Account()
    shared = SharedSession(account, send, run)
    used_at = shared.used_at = shared.used_at - 1000.0
    account.refuses = ""
    assert await shared.keep_alive() is None
    assert shared.used_at > used_at
