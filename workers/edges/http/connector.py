"""aiohttp's connections to one vendor: whatever fails before one is ready has sent nothing of a request."""

from __future__ import annotations

import asyncio
import os
import select
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter

from workers.edges.membership import Membership
from workers.edges.tls import TRUST_HINT, certificate_fault
from workers.vendors.contract import NotSent

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class NotProvedError(Exception):
    """The group's membership lapsed before the request was written: no byte of it has left, and no try is spent."""


class VendorConnector(aiohttp.TCPConnector):
    """Connections that are kept alive and used again, at most ``limit``.

    aiohttp writes a request after `connect` has returned, so each error of `connect` is `NotSent`, and each later
    one is `MaybeSent`. A time-out of the name server, the proxy's tunnel and the TLS handshake count as `connect`.
    """

    def __init__(
        self,
        *,
        limit: int,
        keep_alive_s: float,
        resolver: AbstractResolver | None,
        membership: Membership,
        tls: ssl.SSLContext | None,
    ) -> None:
        """``keep_alive_s``: a connection that was idle for longer is closed: servers and firewalls forget it."""
        super().__init__(limit=limit, keepalive_timeout=keep_alive_s, ssl=tls or True, resolver=resolver)
        self.membership = membership
        # Connections that have carried a request.
        self._known: WeakKeyDictionary[asyncio.BaseProtocol, _Kept] = WeakKeyDictionary()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Return a connection that is ready for a request; raises `NotSent` and `NotProvedError`."""
        try:
            connection = await super().connect(req, traces, timeout)
            while self._is_stale(connection):
                connection.close()
                connection = await super().connect(req, traces, timeout)
        except TimeoutError as error:
            raise NotSent(f"no connection within {timeout.connect:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            # ``from None``: aiohttp's errors hold the request's headers, and with them keys and passwords.
            raise NotSent(_reason(error, by_proxy=req.proxy is not None)) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.closed and task is not None and not task.cancelling():  # aiohttp cancelled its own wait
                raise NotSent("the client is closed") from None
            raise
        if not self.membership.is_proved:  # aiohttp writes a request without a body next
            connection.close()
            raise NotProvedError
        return connection

    def drop_unsent(self) -> None:
        """Cut closed connections that wait for the vendor to read the rest of a request: it must not linger."""
        for kept in list(self._known.values()):
            if kept.transport.is_closing() and kept.transport.get_write_buffer_size():
                kept.transport.abort()

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Cut all connections; requests on them end as `MaybeSent`."""
        for kept in list(self._known.values()):
            kept.transport.abort()  # else a vendor that does not read would hold up the close
        await super().close(abort_ssl=abort_ssl)

    def _is_stale(self, connection: Connection) -> bool:
        """Whether the vendor has closed a kept connection, or sent bytes on it that belong to no request.

        Without this check a request on a connection that the vendor has just closed would be `MaybeSent`, and
        unrequested bytes would be taken for the answer to the next request.
        """
        protocol, transport = connection.protocol, connection.transport
        assert protocol is not None, "the connection was lent to us"
        assert transport is not None, "the connection was lent to us"
        kept = self._known.get(protocol)
        if kept is None:
            self._known[protocol] = _kept(transport)  # a new one may have bytes to read: TLS session tickets
            return False
        return protocol.should_close or transport.is_closing() or bool(kept.unread.poll(0))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A connection, and what says whether the system holds bytes, or an end, that the loop has not read yet."""

    transport: asyncio.Transport
    unread: select.poll


def _kept(transport: asyncio.Transport) -> _Kept:
    unread = select.poll()
    unread.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return _Kept(transport, unread)


class VendorRequest(aiohttp.ClientRequest):
    """A request that asks for the proof once more: aiohttp writes head and body in a task, some time after `connect`.

    A process that is stopped in a busy moment has some requests between the two.
    """

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Write all, or nothing: the wait for the answer then raises `NotProvedError`."""
        connector, protocol = self.session.connector, conn.protocol
        assert isinstance(connector, VendorConnector), "the transport's session has it"
        if connector.membership.is_proved:
            await super().write_bytes(writer, conn, content_length)
        elif protocol is not None:  # None: the request was given up
            protocol.set_exception(NotProvedError())


def _reason(error: Exception, *, by_proxy: bool) -> str:
    """One line for people: what failed, where, and the system's own words. aiohttp's own texts may hold addresses."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered CONNECT with {error.status}"
        case aiohttp.ClientConnectorDNSError():
            return f"DNS: {error.host}:{error.port} ({words(error.os_error)})"
        case aiohttp.ClientConnectorCertificateError():
            return f"TLS: {error.host}:{error.port} ({words(error.certificate_error)}); {TRUST_HINT}"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS: {error.host}:{error.port} ({words(error.os_error)})"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port} ({words(error.os_error)})"
        case _:
            cause = "it hung up, or did not speak HTTP" if by_proxy else words(error)
            return f"the proxy: {cause}" if by_proxy else cause


def words(error: Exception) -> str:
    """The system's own words for an error, on one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = certificate_fault(error)
    elif (
        isinstance(error, OSError)
        and error.errno is not None
        and error.errno > 0
        and not isinstance(error, ssl.SSLError)
    ):
        text = os.strerror(error.errno)
    else:
        text = str(getattr(error, "strerror", None) or error)
    return " ".join(text.split())[:200] or type(error).__name__
