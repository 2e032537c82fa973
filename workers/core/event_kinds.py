"""Every kind of event and row that has a schema: one row a kind, for all who read, write, key or show it.

A new kind is its schema in ``schemas/``, its row here, and the mapping of the
poller that publishes it. A test holds that schemas, topics.yaml and this table agree.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from workers.core.events import Created, Event, EventHead, Status
from workers.core.poll.change import StageChange, stage_event
from workers.core.poll.item_change import ItemChange, item_event
from workers.core.poll.step import Update
from workers.core.poll.vendor_event import courier_order_event
from workers.core.poll.vendor_item import CREDIT, INVENTORY, INVOICE, RETURN, ItemKind

Content: TypeAlias = Mapping[str, Any]  # a decoded value, in the raw form of `workers.core.events`
UpdateEvents: TypeAlias = Callable[[str, Update], Iterable[dict[str, Any]]]  # (vendor, update) -> contents
Summary: TypeAlias = Callable[[Content], str]


class KindError(LookupError):
    """The relay cannot do this with events of that kind; one line that names the schema's record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """What the relay knows of the values that one schema describes."""

    record: str  # the name of the schema's record, without its namespace
    key: str | None = None  # the Kafka key, as a format of the content; None: no publisher can know it
    order_id_path: tuple[str, ...] = ()  # the field that holds the order id, for kinds that sinks consume
    creates_order: bool = False  # the event creates or replaces its order at the vendor
    update_events: UpdateEvents | None = None  # the events of this kind in a poller's update; None: it has none
    summary: Summary | None = None  # one line for an order's timeline, without personal data

    def key_of(self, content: Content) -> str:
        """Give the Kafka key: events that must stay in sequence share a key, so a partition; raises `KindError`."""
        if self.key is None:
            raise KindError(f"{self.record}: only the relay writes these records; a publisher cannot know their key")
        return self.key.format_map(content)

    def order_event(self, content: Any) -> Event:
        """Give a consumed event with its order id; raises `KindError` for a kind that no sink consumes."""
        order_id = self.order_id(content)
        return Created(order_id, content) if self.creates_order else Status(order_id, content)

    def head(self, content: Any) -> EventHead:
        """Give what a consumed event's place depends on, of its whole content or of a prefix; raises `KindError`."""
        # A writer's schema that is older than `producer` has none: the field's default is the empty text.
        return EventHead(self.order_id(content), content.get("producer", ""), content["occurred_at"])

    def order_id(self, content: Any) -> str:
        """Give a consumed event's order id, of its whole content or of a prefix; raises `KindError`."""
        if not self.order_id_path:
            raise KindError(f"{self.record} is no event that a sink consumes")
        for name in self.order_id_path:
            content = content[name]
        return str(content)


def _stage_events(vendor: str, update: Update) -> Iterable[dict[str, Any]]:
    return (stage_event(vendor, change) for change in update.changes if isinstance(change, StageChange))


def _item_kind(kind: ItemKind, summary: Summary) -> EventKind:
    """The row of a kind of item, whose events the changes of a set's rows are."""

    def events(vendor: str, update: Update) -> Iterable[dict[str, Any]]:
        changes = (change for change in update.changes if isinstance(change, ItemChange))
        return (item_event(vendor, change) for change in changes if change.item.kind is kind)

    key = "".join(f":{{{name}}}" for name in kind.identity)
    return EventKind(record=kind.record, key=f"{{vendor}}{key}", update_events=events, summary=summary)


def _courier_events(vendor: str, update: Update) -> Iterable[dict[str, Any]]:
    return (courier_order_event(vendor, observed) for observed in update.events)


def _stage_summary(content: Content) -> str:
    previous = content["previous"]
    suffix = f" (was {previous['stage']})" if previous else ""
    held = ", on hold" if content.get("on_hold") and content["progress"] != "on_hold" else ""
    missing = ", back-ordered" if content.get("back_ordered") else ""
    return f"stage {content['stage']}, {content['progress']}{held}{missing}{suffix}{_gone(content)}"


def _courier_event_summary(content: Content) -> str:
    status = f", {content['order_status']}" if content["order_status"] else ""
    return f"event {content['event_type'] or content['courier_event_id']}{status}"


def _state_summary(what: str) -> Summary:
    def summary(content: Content) -> str:
        previous = content["previous"]
        suffix = f" (was {previous['status']})" if previous and previous["status"] != content["status"] else ""
        return f"{what} {content['status']}, {content['state']}{suffix}{_gone(content)}"

    return summary


def _stock_summary(content: Content) -> str:
    return f"stock of {content['inventory_id']}{_gone(content)}"


def _credit_summary(content: Content) -> str:
    return f"credit of {content['customer_id']}{_gone(content)}"


def _gone(content: Content) -> str:
    return ", deleted" if content["op"] == "deleted" else ""


ORDER_CREATED: Final = EventKind(
    record="OrderCreated", key="{order[order_id]}", order_id_path=("order", "order_id"), creates_order=True
)
ORDER_STATUS: Final = EventKind(record="OrderStatus", key="{order_id}", order_id_path=("order_id",))
ORDER_STAGE_CHANGED: Final = EventKind(
    record="OrderStageChanged",
    key="{vendor}:{order_number}",
    update_events=_stage_events,
    summary=_stage_summary,
)
COURIER_ORDER_EVENT: Final = EventKind(
    record="CourierOrderEvent",
    key="{vendor}:{order_number}",
    update_events=_courier_events,
    summary=_courier_event_summary,
)
INVOICE_CHANGED: Final = _item_kind(INVOICE, _state_summary("invoice"))
INVENTORY_CHANGED: Final = _item_kind(INVENTORY, _stock_summary)
CREDIT_CHANGED: Final = _item_kind(CREDIT, _credit_summary)
RETURN_CHANGED: Final = _item_kind(RETURN, _state_summary("return"))
TRACKED_ORDER: Final = EventKind(record="TrackedOrder", key="{order_number}")
POLL_STATE: Final = EventKind(record="PollState")
RECEIPT_BATCH: Final = EventKind(record="ReceiptBatch")

EVENT_KINDS: Final[Mapping[str, EventKind]] = {
    kind.record: kind
    for kind in (
        ORDER_CREATED,
        ORDER_STATUS,
        ORDER_STAGE_CHANGED,
        COURIER_ORDER_EVENT,
        INVOICE_CHANGED,
        INVENTORY_CHANGED,
        CREDIT_CHANGED,
        RETURN_CHANGED,
        TRACKED_ORDER,
        POLL_STATE,
        RECEIPT_BATCH,
    )
}
"""By the name of the schema's record, without its namespace."""


def kind_of(record: str) -> EventKind:
    """Find a kind by the name of its schema's record; raises `KindError`."""
    if record not in EVENT_KINDS:
        raise KindError(f"{record} has no row in the table of event kinds, workers/core/event_kinds.py")
    return EVENT_KINDS[record]
