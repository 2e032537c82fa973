"""What E2CC has of an order now, in comparison with what was published of it last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from workers.core.delivery.outcome import Denied, Outcome, Rejected
from workers.core.poll.change import VendorOrder
from workers.vendors._shared.requests import SetUpError
from workers.vendors.asking import NOTHING, Asked, VendorWord, missing_stage, stage_word
from workers.vendors.contract import Credentials, Flow
from workers.vendors.e2cc.details import DetailReads
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.orders import AT_REST, detailed_order, order_key, order_row
from workers.vendors.e2cc.reads import E2ccReads
from workers.vendors.e2cc.records import Making
from workers.vendors.e2cc.requests import e2cc_requests, is_safe

ORDER_NUMBER: Final = re.compile(r"(SO|RM)\d{6}")
NOT_ASKED: Final = "not asked: no number of it at E2CC is known"


def ask(options: E2ccOptions, credentials: Credentials, asked: Asked) -> Flow[VendorWord | Outcome]:
    """Ask for the order by its number at E2CC; an order of which none is known costs no request.

    What E2CC answers for a number that it does not know is not documented, so our own order id is no guess of it.
    """
    is_known = asked.published is not None or asked.order_number != asked.order_id
    if not is_known and not ORDER_NUMBER.fullmatch(asked.order_number):
        return VendorWord(NOT_ASKED, NOTHING)
    return (yield from _read(options, credentials, asked))


def _read(options: E2ccOptions, credentials: Credentials, asked: Asked) -> Flow[VendorWord | Outcome]:
    """Read the order's lines, which show its status, and its shipments."""
    number, published = asked.order_number, asked.published
    if not is_safe(number):
        return Rejected("its number at E2CC is no plain number")
    try:
        making = Making(options, e2cc_requests(credentials).zone)
    except SetUpError as error:
        return Denied(str(error))
    reads = E2ccReads(options, credentials)
    lines = yield from reads.record("/orders", number)
    if not isinstance(lines, Sequence):
        return lines
    ours = [line for line in lines if order_key(line) == number]
    if not ours:
        return missing_stage(published)
    shipments = yield from DetailReads(reads, making).shipments(number, ours[0])
    if not isinstance(shipments, Sequence):
        return shipments
    found = detailed_order(order_row(ours, making), ours, shipments, making).item
    assert isinstance(found, VendorOrder)
    return _word(found, published)


def _word(order: VendorOrder, published: Mapping[str, Any] | None) -> VendorWord:
    word = stage_word(order, published)
    if published is None or not _is_told_without_details(published):
        return word
    return replace(word, differing=tuple(name for name in word.differing if name != "shipments"))


def _is_told_without_details(published: Mapping[str, Any]) -> bool:
    """Whether it was closed at the poller's first start: then its shipments were not read, and have not changed."""
    return published["op"] == "snapshot" and published["progress"] in AT_REST and not published["shipments"]
