"""A vendor's connections: kept alive and used again, never more than a bound."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from workers.edges.http.connection import Answer, Connection, RawRequest, Room
from workers.edges.http.route import Addresses, Route, open_connection
from workers.vendors.contract import MaybeSent, NotSent

ANSWERS_TOGETHER: Final = 32 * 1024 * 1024  # bytes of a vendor's answers under way; or one of the longest
KEPT_FOR: Final = 30.0  # seconds that a connection may lie idle: servers and firewalls forget it later


class Connections:
    """One vendor's connections; each carries one request at a time."""

    def __init__(self, route: Route, *, most: int, connecting: float, max_answer: int) -> None:
        """``connecting``: seconds for DNS, connect and TLS together, and for a free place before them."""
        self._route = route
        self._places = asyncio.Semaphore(most)
        self._connecting = connecting
        self._room = Room(max_answer, max(max_answer, ANSWERS_TOGETHER))
        self._addresses = Addresses(route.first)
        self._idle: list[Connection] = []  # by how long they have lain idle, the longest first
        self._used: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(self, outgoing: RawRequest, within: float) -> Answer:
        """Send a request and return its answer; ``within`` seconds for everything. Raises `NotSent`, `MaybeSent`."""
        deadline = asyncio.get_running_loop().time() + within
        connection = await self._take(deadline)
        try:
            return await connection.exchange(outgoing, deadline)
        except TimeoutError as error:
            raise MaybeSent(f"no answer within {within:g} s") from error
        finally:
            self._give_back(connection)

    async def close(self) -> None:
        """Close all; what is under way ends as maybe sent."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in (*self._idle, *self._used):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # transports close in the loop's next round

    async def _take(self, deadline: float) -> Connection:
        """Take the connection that was used last, or open one; raises `NotSent`."""
        if not self._places.locked() and (kept := self._kept()) is not None:
            await self._places.acquire()  # at once: there is a place
            self._used.add(kept)
            return kept
        try:
            async with asyncio.timeout(self._connecting):
                await self._places.acquire()
                try:
                    connection = self._kept() or await self._open(deadline)
                except BaseException:
                    self._places.release()
                    raise
        except TimeoutError as error:
            raise NotSent(f"no connection within {self._connecting:g} s") from error
        self._used.add(connection)
        return connection

    async def _open(self, deadline: float) -> Connection:
        try:
            return await open_connection(self._route, self._addresses, self._room, deadline)
        except MaybeSent as error:  # to the proxy, which was asked for a tunnel: nothing of the request
            raise NotSent(f"the proxy: {error}") from error

    def _kept(self) -> Connection | None:
        oldest = monotonic() - KEPT_FOR
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since > oldest and connection.is_quiet():
                return connection
            connection.abort()
        return None

    def _give_back(self, connection: Connection) -> None:
        self._used.discard(connection)
        self._places.release()
        if self._closed or not connection.is_reusable():
            connection.abort()
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweep_after(KEPT_FOR)

    def _sweep_after(self, seconds: float) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what has lain idle for too long."""
        self._sweeping = None
        now = monotonic()
        while self._idle and now - self._idle[0].idle_since >= KEPT_FOR:
            self._idle.pop(0).abort()
        if self._idle:
            self._sweep_after(max(1.0, self._idle[0].idle_since + KEPT_FOR - now))
