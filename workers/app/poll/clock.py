"""When a poll began, on our clock and on the vendor's."""

from __future__ import annotations

import httpx

from workers.app.poll.context import PollerContext
from workers.core.poll.cursor import PollStart
from workers.edges.http.session import Send
from workers.edges.log import log
from workers.vendors._shared.answers import http_date

NOTABLE_MS = 2_000  # a clock so far off is said once
MAX_PLAUSIBLE_SKEW_MS = (
    366 * 86_400_000
)  # one so far off is no clock: to follow it would tell all orders of the years between
UNLIKELY_DATE = "unlikely_date"  # a note, counted in /status


class PollClock:
    """Watches a poll's requests; the vendor's ``Date`` tells its clock."""

    def __init__(self, tools: PollerContext) -> None:
        self._tools = tools
        self.began_ms = tools.wall_ms()
        self._began = tools.monotonic()
        self._vendor_ms: int | None = None

    @property
    def start(self) -> PollStart:
        """When the poll began, on both clocks."""
        return PollStart(self.began_ms, self.began_ms if self._vendor_ms is None else self._vendor_ms)

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send one request of the poll, and take note of the answer's date."""
        del resend
        sent = self._tools.monotonic()
        response = await send(request)
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            self._dated(int(date.timestamp() * 1000), sent)
        return response

    def _dated(self, date_ms: int, sent: float) -> None:
        now = self._tools.monotonic()
        if abs(date_ms - self._tools.wall_ms()) > MAX_PLAUSIBLE_SKEW_MS:
            self._unlikely()
            return
        if self._vendor_ms is None:
            # The earliest that the vendor's clock can have shown when the poll began.
            self._vendor_ms = date_ms - round((now - self._began) * 1000)
        half_way_ms = self._tools.wall_ms() - round((now - sent) * 500)
        skew_ms = date_ms + 500 - half_way_ms  # a Date has whole seconds, cut off
        stats = self._tools.stats
        if abs(skew_ms) > NOTABLE_MS and (stats.skew_ms is None or abs(stats.skew_ms) <= NOTABLE_MS):
            log.warning("vendor_clock_differs", worker=self._tools.spec.name, seconds=round(skew_ms / 1000, 1))
        stats.skew_ms = skew_ms

    def _unlikely(self) -> None:
        notes = self._tools.stats.notes
        if not notes[UNLIKELY_DATE]:
            log.warning("vendor_response_anomaly", worker=self._tools.spec.name, what=UNLIKELY_DATE)
        notes[UNLIKELY_DATE] += 1
