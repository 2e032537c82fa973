"""The client runs a vendor's flows: it sends what they yield, to their vendor alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Names, Reader, Slowly, Writer, client_of, put, says, vendor
from workers.core.delivery.outcome import Throttled
from workers.core.trace import Wait
from workers.edges.http.client import Restraint, WrongHostError, open_client
from workers.edges.http.transport import TransportPolicy
from workers.edges.http.turns import Turns
from workers.edges.membership import Clocks, Membership
from workers.vendors.contract import Flow, LoginFailed, MaybeSent


async def test_flow_learns_of_a_lost_answer_at_its_yield_and_may_go_on() -> None:
    async with vendor(says(then="close")) as server, client_of(server.url) as client:

        def look_up_after_loss() -> Flow[str]:
            try:
                yield httpx.Request("PUT", f"{server.url}/orders/1")
            except MaybeSent:
                server.answer = says(OK)
            found = yield httpx.Request("GET", f"{server.url}/orders/1")
            return found.text

        assert await client.run(look_up_after_loss()) == "ok"


async def test_observer_sees_every_request_of_a_flow() -> None:
    class Seen:
        def __init__(self) -> None:
            self.paths: list[str] = []

        async def attempt(
            self, request: httpx.Request, send: Callable[[httpx.Request], Awaitable[httpx.Response]]
        ) -> httpx.Response:
            self.paths.append(request.url.path)
            request.headers["traceparent"] = "00-x"
            return await send(request)

        def waits(self, wait: Wait) -> None: ...

        def goes(self) -> None: ...

    seen = Seen()
    async with vendor(says(OK)) as server, client_of(server.url) as client:

        def two() -> Flow[None]:
            yield httpx.Request("GET", f"{server.url}/1")
            yield httpx.Request("GET", f"{server.url}/2")

        await client.run(two(), seen)
    assert seen.paths == ["/1", "/2"]
    assert b"traceparent: 00-x" in server.requests[1].lower()


async def test_flow_is_closed_when_its_run_is_cancelled() -> None:
    closed, asked = asyncio.Event(), asyncio.Event()

    def flow() -> Flow[None]:
        try:
            yield httpx.Request("GET", server.url)
        finally:
            closed.set()

    async def hang(_: Reader, __: Writer) -> None:
        asked.set()
        await asyncio.sleep(NEVER)

    async with vendor(hang) as server, client_of(server.url) as client:
        running = asyncio.create_task(client.run(flow()))
        await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert closed.is_set()


@pytest.mark.parametrize("other", ["http://127.0.0.2:{port}", "http://127.0.0.1:1", "https://127.0.0.1:{port}"])
async def test_other_host_port_or_scheme_is_never_asked(other: str) -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        with pytest.raises(WrongHostError, match="not the vendor's"):
            await put(client, other.format(port=server.port))
        assert server.connections == 0


# No byte leaves for the vendor while the membership of the group is not proved.

SESSION_S = 8.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def running_s(self) -> float:
        return self.now_s

    @property
    def clocks(self) -> Clocks:
        return Clocks(self.running_s, lambda: 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def membership(clock: Clock) -> Membership:
    return Membership(SESSION_S, "ecdp-sink", clock.clocks)


async def held(membership: Membership, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while membership.held < count:  # noqa: ASYNC110 - the hold is a state without an event
            await asyncio.sleep(0.001)


async def test_request_waits_for_the_proof_and_its_time_out_begins_only_then(
    clock: Clock, membership: Membership
) -> None:
    async with vendor(says(OK)) as server, client_of(server.url, 0.2, membership=membership) as client:
        sending = asyncio.create_task(put(client, server.url))
        await held(membership)
        await asyncio.sleep(0.3)  # longer than the time-out
        assert (server.requests, sending.done()) == ([], False)
        membership.answered(clock.clocks.now())
        assert (await sending).text == "ok"


async def test_membership_that_lapses_while_a_connection_is_made_holds_the_request(
    clock: Clock, membership: Membership
) -> None:
    """The process was stopped in the midst of it: the proof it began with is too old."""
    names = Names("127.0.0.1", delay=(resolved := asyncio.Event()))
    membership.answered(clock.clocks.now())
    async with vendor(says(OK)) as server:
        url = f"http://vendor.test:{server.port}"
        async with client_of(url, membership=membership, resolver=names) as client:
            sending = asyncio.create_task(put(client, url))
            await names.questioned.wait()
            clock.now_s += SESSION_S
            resolved.set()
            await held(membership)
            assert server.requests == []
            membership.answered(clock.clocks.now())
            assert (await sending).text == "ok"
            assert (len(server.requests), server.connections) == (1, 2)


class StoppingClock(Clock):
    """The process is stopped for a session before the clock is read for the ``asks``-th time."""

    asks = 0

    def running_s(self) -> float:
        self.asks -= 1
        if self.asks == 0:
            self.now_s += SESSION_S
        return super().running_s()


async def test_process_that_is_stopped_between_the_connection_and_the_writing_sends_nothing() -> None:
    """aiohttp writes a request with a body in another turn of the loop."""
    clock = StoppingClock()
    membership = Membership(SESSION_S, "ecdp-sink", clock.clocks)
    async with vendor(says(OK)) as server, client_of(server.url, membership=membership) as client:
        membership.answered(clock.clocks.now())
        clock.asks = 2
        sending = asyncio.create_task(put(client, server.url))
        await held(membership)
        assert (server.requests, sending.done()) == ([], False)
        membership.answered(clock.clocks.now())
        assert (await sending).text == "ok"
        assert len(server.requests) == 1


@pytest.mark.parametrize("lost", [False, True])
async def test_answer_to_a_request_in_flight_over_a_gap_counts_only_if_the_partitions_are_still_ours(
    clock: Clock, membership: Membership, *, lost: bool
) -> None:
    """The loss of the partitions cancels the flight, whose result is then unknown."""

    async def answer(_: Reader, writer: Writer) -> None:
        clock.now_s += SESSION_S
        writer.write(OK)

    membership.answered(clock.clocks.now())
    async with vendor(answer) as server, client_of(server.url, membership=membership) as client:
        sending = asyncio.create_task(put(client, server.url))
        await held(membership)
        assert not sending.done()
        if lost:
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        else:
            membership.answered(clock.clocks.now())
            assert (await sending).text == "ok"
        assert len(server.requests) == 1


class Expiring:
    """A session whose token is always due for a renewal."""

    token = "due"

    def renew(self, idle_s: float) -> Flow[None]:  # noqa: ARG002
        yield httpx.Request("GET", "http://vendor.test/renew")

    def sign(self, request: httpx.Request) -> None:
        pass


async def test_keep_alive_does_not_wait_for_the_proof(membership: Membership) -> None:
    """The ticks that call it show liveness: a Kafka outage must not restart the process."""
    session: Any = Expiring()
    policy = TransportPolicy(max_in_flight=1, request_timeout_s=5.0)
    client = open_client(httpx.URL("http://vendor.test"), policy, session, membership=membership, environ={})
    await client.keep_alive()
    assert membership.held == 0
    await client.close()


async def test_a_vendor_that_takes_one_request_at_a_time_gets_one_from_all_clients_of_the_process() -> None:
    def one(url: str) -> Flow[int]:
        return (yield httpx.Request("GET", url)).status_code

    restraint, slowly = Restraint(turns=Turns()), Slowly()
    async with (
        vendor(slowly) as server,
        client_of(server.url, restraint=restraint) as worker,
        client_of(server.url, restraint=restraint) as command,
    ):
        asked = [client.run(one(server.url)) for client in (worker, command) for _ in range(3)]
        assert await asyncio.gather(*asked) == [200] * 6
    assert slowly.most == 1


async def test_each_request_is_spent_of_the_accounts_budget_before_it_leaves() -> None:
    class OneRequest:
        left, limit = 1, 1

        def stretch(self, requests_per_ms: float) -> float:
            return requests_per_ms

        async def spend(self) -> None:
            if not self.left:
                raise LoginFailed(Throttled(60.0))
            self.left -= 1

        async def close(self) -> None: ...

    def two() -> Flow[None]:
        yield httpx.Request("GET", f"{server.url}/1")
        yield httpx.Request("GET", f"{server.url}/2")

    async with vendor(says(OK)) as server, client_of(server.url, restraint=Restraint(budget=OneRequest())) as client:
        with pytest.raises(LoginFailed):
            await client.run(two())
        assert len(server.requests) == 1
