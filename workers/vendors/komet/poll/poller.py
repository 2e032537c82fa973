"""Komet's poller: each of its sets by the requests that its list takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final, assert_never

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.core.poll.vendor_set import Details, SetReading, SetRow, Updated, Whole
from workers.vendors._shared.event_size import without_deep_fields
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, PollFault
from workers.vendors.komet.answers.outcome import is_about_permission
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.poll.api import CustomerRow, PrebookRow
from workers.vendors.komet.poll.asking import DayRows, by_days, fault_of, listed
from workers.vendors.komet.poll.invoices import INVOICES, OTHER_CUSTOMER, read_invoices, read_lines
from workers.vendors.komet.poll.lists import Lists
from workers.vendors.komet.poll.mapping import Mapper
from workers.vendors.komet.poll.ship_days import Days
from workers.vendors.komet.poll.shop import read_stock
from workers.vendors.komet.requests import komet_requests

LONG_AGO: Final = Days(date(2020, 1, 1), date(2020, 1, 1))  # of a check: such a day hardly has an invoice

# Notes, counted in /status.
REFUSED: Final = "prebooks_refused"  # the token may not list prebooks
NO_NUMBER: Final = "prebooks_without_number"


@dataclass(frozen=True, slots=True)
class KometPoller:
    """`workers.vendors.contract.SetPoller` for Komet Sales."""

    options: KometPollerOptions
    credentials: Credentials = field(repr=False)

    def read(self, name: str, ask: Updated | Whole) -> Flow[SetReading | PollFault]:
        try:
            lists = self._lists()
        except SetUpError as error:
            return Denied(str(error))
        mapper = Mapper(self.options)
        match ask:
            case Updated() if name == "prebooks":
                return (yield from _read_prebooks(lists, ask, mapper))
            case Updated():
                return (yield from read_invoices(lists, ask, mapper, web=name == "web_orders"))
            case Whole() if name == "inventory":
                return (yield from read_stock(lists, ask, mapper))
            case Whole():
                return (yield from _read_customer(lists, mapper))
            case _:
                assert_never(ask)

    def details(self, name: str, rows: Sequence[SetRow]) -> Flow[Details | PollFault]:
        del name  # only invoices have details
        try:
            lists = self._lists()
        except SetUpError as error:
            return Denied(str(error))
        return (yield from read_lines(lists, rows, Mapper(self.options)))

    def check(self) -> Flow[Outcome]:
        """Ask for the invoices of a day long ago: that proves the address and the token for the poller's main list."""
        try:
            lists = self._lists()
        except SetUpError as error:
            return Denied(str(error))
        found = yield from listed(lists.invoices(LONG_AGO, 0), INVOICES, lists.komet.token)
        if not isinstance(found, Sequence):
            return fault_of(found)
        return Delivered(status=200)

    def _lists(self) -> Lists:
        """Raises `SetUpError`."""
        return Lists(komet_requests(self.credentials))


def _read_prebooks(lists: Lists, asked: Updated, mapper: Mapper) -> Flow[SetReading | PollFault]:
    """Prebooks by truck date, all of them: their list has no time of update.

    Komet's pages disagree whether a Customer Token may list them. One that may not shuts no gate, and is counted; any
    other refusal is a fault.
    """
    found = yield from _prebooks(lists, asked)
    if isinstance(found, Denied) and is_about_permission(found):
        return SetReading((), notes=Counter({REFUSED: 1}), forbidden=found.reason)
    if not isinstance(found, DayRows):
        return found
    rows: dict[str, SetRow] = {}
    for fields in (without_deep_fields(row, mapper.notes) for row in found.rows):
        row = PrebookRow.model_validate(fields)
        if not (row.number or row.id):
            mapper.notes[NO_NUMBER] += 1
        elif row.customer_id not in {"", lists.komet.customer_id}:
            mapper.notes[OTHER_CUSTOMER] += 1
        else:
            mapped = mapper.prebook(row, fields)
            rows[mapped.key] = mapped
    return SetReading(tuple(rows.values()), found.done, notes=+mapper.notes)


def _prebooks(lists: Lists, asked: Updated) -> Flow[DayRows | PollFault]:
    """The prebooks of all locations, on as many days as one answer of each holds."""
    rows: list[dict[str, Any]] = []
    days = asked.days
    for location in lists.komet.location_ids or ("",):
        build = partial(lists.prebooks, location_id=location)
        found = yield from by_days(build, "prebooks", lists.komet.token, days)
        if not isinstance(found, DayRows):
            return found
        rows += found.rows
        days = found.done
    return DayRows(rows, days)


def _read_customer(lists: Lists, mapper: Mapper) -> Flow[SetReading | PollFault]:
    """The customer, which Komet's page calls an array: an object and a list of one are read."""
    found = yield from listed(lists.customer(), "customer", lists.komet.token)
    if not isinstance(found, Sequence):
        return fault_of(found)
    customer_id = lists.komet.customer_id
    for fields in (without_deep_fields(row, mapper.notes) for row in found):
        row = CustomerRow.model_validate(fields)
        if row.id in {"", customer_id}:
            return SetReading((mapper.customer(row, fields, customer_id),), notes=+mapper.notes)
    return Unavailable("Komet shows no customer of {CUSTOMER_ID}")
