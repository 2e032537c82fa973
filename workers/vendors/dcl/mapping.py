"""DCL's order to the relay's `VendorOrder`."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from workers.core.poll.change import Stage, VendorOrder, digest
from workers.vendors._shared.event_size import cut, raw_json
from workers.vendors.dcl.api import order_of
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.progress import is_held, stage
from workers.vendors.dcl.shipments import Shipped, in_event, shipped

# The forms of digests. Add another one when the content grows again: stored digests are compared with each form.
_WITHOUT_ITEMS: Final = "2"
_WITH_ITEMS: Final = "2 items"


def vendor_order(
    row: Mapping[str, Any], modified_ms: int | None, options: DclOptions, notes: Counter[str]
) -> VendorOrder:
    """Map one order; raises pydantic's ValidationError for a row without an order number.

    The digest covers everything that an event holds, and the flags that decide it; other fields make no event.
    """
    order = order_of(row, notes)
    content = shipped(order.shipments)
    now = stage(order, row.get("order_stage"), options.progress_by_status, notes)
    order_id = row.get(options.order_id_from)
    order_id = None if order_id in (None, "") else str(order_id)
    of_stage = now.name or None if now.code is None else now.code
    flags = [order.order_status, order.is_cancelled, bool(order.is_back_order)]
    digests = _digests([order_id, of_stage, now.description, flags], content, items=options.items)
    return VendorOrder(
        order_number=order.order_number,
        stage=Stage(cut(now.name, notes), now.code, cut(now.description, notes), now.progress),
        digest=digests.now,
        former_digests=digests.former,
        fields=row,
        unread=options.unread,
        account=order.account_number,
        order_id=order_id and cut(order_id, notes),
        back_ordered=order.is_back_order,
        on_hold=is_held(order, now.progress),
        shipments=in_event(content, notes, items=options.items),
        modified_ms=modified_ms,
        raw=raw_json(row, notes) if options.raw else None,
    )


class _Digests(NamedTuple):
    now: bytes
    former: tuple[bytes, ...]  # of other releases and options


def _digests(head: list[Any], content: Shipped, *, items: bool) -> _Digests:
    """Each form has its own name: a row that was compared with items is never taken for one without."""
    first = digest([*head, content.outlines])
    without = digest([_WITHOUT_ITEMS, first.hex(), content.references])
    whole = digest([_WITH_ITEMS, first.hex(), content.references, content.items])
    return _Digests(whole, (without, first)) if items else _Digests(without, (whole, first))
