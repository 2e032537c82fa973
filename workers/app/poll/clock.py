"""When a poll began, on our clock and on the vendor's."""

from typing import Final

import httpx

from workers.app.poll.context import PollerContext
from workers.core.poll.cursor import PollStart
from workers.edges.http.session import Send
from workers.edges.log import log
from workers.vendors._shared.answers import http_date

NOTABLE_SKEW_MS: Final = 2_000  # a larger skew is logged once
MAX_PLAUSIBLE_SKEW_MS: Final = (
    366 * 86_400_000
)  # larger skews are ignored: following them would publish years of orders
UNLIKELY_DATE: Final = "unlikely_date"  # a note, counted in /status


class PollClock:
    """Sends a poll's requests, and learns the vendor's clock from the ``Date`` of its answers."""

    def __init__(self, context: PollerContext) -> None:
        self._context = context
        self.began_ms = context.wall_ms()
        self._began = context.monotonic()
        self._vendor_ms: int | None = None

    @property
    def start(self) -> PollStart:
        """When the poll began, on both clocks."""
        return PollStart(self.began_ms, self.began_ms if self._vendor_ms is None else self._vendor_ms)

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send one request of the poll, and read the answer's date."""
        del resend
        sent = self._context.monotonic()
        response = await send(request)
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            self._dated(int(date.timestamp() * 1000), sent)
        return response

    def _dated(self, date_ms: int, sent: float) -> None:
        now, wall_ms = self._context.monotonic(), self._context.wall_ms()
        if abs(date_ms - wall_ms) > MAX_PLAUSIBLE_SKEW_MS:
            self._note_unlikely_date()
            return
        if self._vendor_ms is None:
            # The earliest time that the vendor's clock can have shown when the poll began.
            self._vendor_ms = date_ms - round((now - self._began) * 1000)
        half_way_ms = wall_ms - round((now - sent) * 500)
        skew_ms = date_ms + 500 - half_way_ms  # a Date is whole seconds, rounded down
        stats = self._context.stats
        if abs(skew_ms) > NOTABLE_SKEW_MS and (stats.skew_ms is None or abs(stats.skew_ms) <= NOTABLE_SKEW_MS):
            log.warning("vendor_clock_differs", worker=self._context.spec.name, seconds=round(skew_ms / 1000, 1))
        stats.skew_ms = skew_ms

    def _note_unlikely_date(self) -> None:
        notes = self._context.stats.notes
        if not notes[UNLIKELY_DATE]:
            log.warning("vendor_response_anomaly", worker=self._context.spec.name, what=UNLIKELY_DATE)
        notes[UNLIKELY_DATE] += 1
