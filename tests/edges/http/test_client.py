"""The client runs a vendor's flows: it sends what they yield, to their vendor alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Names, Reader, Writer, client_of, put, says, vendor
from workers.edges.http.client import WrongHostError, open_client
from workers.edges.http.transport import TransportPolicy
from workers.edges.membership import Instant, Membership
from workers.vendors.contract import Flow, MaybeSent


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
            self.resends: list[int] = []

        async def attempt(
            self, request: httpx.Request, resend: int, send: Callable[[httpx.Request], Awaitable[httpx.Response]]
        ) -> httpx.Response:
            self.resends.append(resend)
            request.headers["traceparent"] = "00-x"
            return await send(request)

    seen = Seen()
    async with vendor(says(OK)) as server, client_of(server.url) as client:

        def two() -> Flow[None]:
            yield httpx.Request("GET", server.url)
            yield httpx.Request("GET", server.url)

        await client.run(two(), seen)
    assert seen.resends == [0, 1]
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

    def now(self) -> Instant:
        return Instant(self.now_s, 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def membership(clock: Clock) -> Membership:
    return Membership(SESSION_S, "ecdp-sink", clock.now)


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
        membership.answered(clock.now())
        assert (await sending).text == "ok"


async def test_membership_that_lapses_while_a_connection_is_made_holds_the_request(
    clock: Clock, membership: Membership
) -> None:
    """The process was stopped in the midst of it: the proof it began with is too old."""
    names = Names("127.0.0.1", delay=(resolved := asyncio.Event()))
    membership.answered(clock.now())
    async with vendor(says(OK)) as server:
        url = f"http://vendor.test:{server.port}"
        async with client_of(url, membership=membership, resolver=names) as client:
            sending = asyncio.create_task(put(client, url))
            await names.questioned.wait()
            clock.now_s += SESSION_S
            resolved.set()
            await held(membership)
            assert server.requests == []
            membership.answered(clock.now())
            assert (await sending).text == "ok"
            assert (len(server.requests), server.connections) == (1, 2)


class StoppingClock(Clock):
    """The process is stopped for a session before the clock is read for the ``asks``-th time."""

    asks = 0

    def now(self) -> Instant:
        self.asks -= 1
        if self.asks == 0:
            self.now_s += SESSION_S
        return super().now()


async def test_process_that_is_stopped_between_the_connection_and_the_writing_sends_nothing() -> None:
    """aiohttp writes a request with a body in another turn of the loop."""
    clock = StoppingClock()
    membership = Membership(SESSION_S, "ecdp-sink", clock.now)
    async with vendor(says(OK)) as server, client_of(server.url, membership=membership) as client:
        membership.answered(clock.now())
        clock.asks = 2
        sending = asyncio.create_task(put(client, server.url))
        await held(membership)
        assert (server.requests, sending.done()) == ([], False)
        membership.answered(clock.now())
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

    membership.answered(clock.now())
    async with vendor(answer) as server, client_of(server.url, membership=membership) as client:
        sending = asyncio.create_task(put(client, server.url))
        await held(membership)
        assert not sending.done()
        if lost:
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        else:
            membership.answered(clock.now())
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
