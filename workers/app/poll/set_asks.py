"""Asks a vendor for a set's rows and their details: a fault delays the set, and no other one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from workers.app.poll.context import PollerContext
from workers.app.poll.order_ids import OrderIds
from workers.app.poll.vendor_reads import PollClock, VendorReads
from workers.core.delivery.outcome import Unavailable
from workers.core.last_errors import Part
from workers.core.poll.sets.beat import REST_SHARE
from workers.core.poll.vendor_set import Ask, Details, SetReading, SetRow
from workers.vendors.contract import SetPoller

MAX_FAILED_DETAILS: Final = 3  # in a row: then the vendor's fault is not one row's


@dataclass(slots=True, eq=False)
class SetAsks:
    """One request, or one walk over pages, at a time; each after the gate of the set has admitted it."""

    _context: PollerContext
    _poller: SetPoller[Any]
    _reads: VendorReads
    _name: str
    _order_ids: OrderIds | None = None
    _failures: int = 0  # of readings, in a row
    _failed_details: int = 0  # in a row
    is_forbidden: bool = False  # the vendor does not let the account list the set, as of the last reading

    @property
    def details_fail(self) -> bool:
        """Whether no further details should be asked for in this pass."""
        return self._failed_details >= MAX_FAILED_DETAILS

    async def rows(self, ask: Ask, clock: PollClock) -> SetReading | None:
        """Read rows; None: the vendor gave no usable answer, and the set has paused since; or the set is forbidden."""
        await self._reads.admitted()
        began_s = self._context.monotonic()
        found = await self._reads.read_once(self._poller.read(self._name, ask), clock, self._failures)
        if isinstance(found, SetReading):
            self._failures = 0
            self.is_forbidden = found.forbidden is not None
            if found.forbidden is not None:
                why = self._reads.for_all_to_read(found.forbidden)
                self._context.stats.errors.put(Part.VENDOR, why, self._context.wall_ms())
                return None
            return found if self._order_ids is None else replace(found, rows=await self._order_ids.named(found.rows))
        self._failures += 1
        await self._pause(self._failures, began_s)
        return None

    async def details(self, rows: Sequence[SetRow], clock: PollClock, *, is_suspect: bool = False) -> Details | None:
        """Read the details of changed rows; none: the vendor's answer was a fault, and the set has paused since.

        None instead: the fault is the account's, so no row is to blame. ``is_suspect``: of a single row, whose fault
        stops no other one.
        """
        await self._reads.admitted()
        began_s = self._context.monotonic()
        about = rows[0].key if len(rows) == 1 else ""
        flow = self._poller.details(self._name, rows)
        found = await self._reads.read_once(flow, clock, self._failed_details, order_number=about)
        if isinstance(found, Details):
            self._failed_details = 0
            return found if self._order_ids is None else replace(found, rows=await self._order_ids.named(found.rows))
        self._failed_details += not is_suspect
        await self._pause(max(1, self._failed_details), began_s)
        return Details(()) if isinstance(found, Unavailable) else None

    def begin(self) -> None:
        """A new pass: details may be asked for again."""
        self._failed_details = 0

    async def _pause(self, failures: int, began_s: float) -> None:
        """Wait longer after each failure; and after a time-out, whose request may still be in the vendor's queue."""
        took_s = self._context.monotonic() - began_s
        await asyncio.sleep(max(self._reads.delay(failures), REST_SHARE * took_s))
