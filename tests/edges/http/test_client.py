"""The client runs a vendor's flows: it sends what they yield, to their vendor alone."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Reader, Writer, client_of, put, says, vendor
from workers.edges.http.client import WrongHostError
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
