"""One line on an order: what became of it at each vendor, and what is parked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from workers.app.config.specs import Config
from workers.app.inspect.order_timeline import VENDOR_EVENT, SinkEnd, Timeline
from workers.core.counted import counted, lasting
from workers.vendors.contract import load

_GRAVEST_FIRST: Final = ("waits", "parked", "no_receipt", "passed_over", "discarded", "delivered", "found", "skipped")


def verdict(timeline: Timeline, config: Config) -> str:
    """For example: ``ECDP: delivered 22:58:21, 99 s after publication; nothing parked``."""
    parts = [*_sinks(timeline, config), *_others(timeline, config)]
    parked = sum(fence.records for fence in timeline.parked.values())
    return "; ".join([*parts, f"{counted(parked, 'record')} parked" if parked else "nothing parked"])


def states(timeline: Timeline) -> dict[str, str]:
    """By sink: the gravest of what became of the order's records."""
    return {sink: gravest(ends) for sink, ends in timeline.ends.items() if ends}


def gravest(ends: Sequence[SinkEnd]) -> str:
    return min((end.state for end in ends), key=_GRAVEST_FIRST.index)


def _sinks(timeline: Timeline, config: Config) -> Iterator[str]:
    for name, ends in timeline.ends.items():
        if not ends:
            continue
        vendor = config.sinks[name].vendor
        several = sum(sink.vendor == vendor for sink in config.sinks.values()) > 1
        title = load(vendor).title + (f" ({name})" if several else "")
        last = _last_event(timeline, vendor)
        yield f"{title}: {_words(ends)}" + (f", then {last}" if last else "")


def _others(timeline: Timeline, config: Config) -> Iterator[str]:
    """What vendors without a sink of the order have said last."""
    seen = {config.sinks[name].vendor for name, ends in timeline.ends.items() if ends}
    for vendor in dict.fromkeys(entry.by for entry in timeline.entries if entry.state == VENDOR_EVENT):
        if vendor not in seen:
            yield f"{load(vendor).title}: {_last_event(timeline, vendor)}"


def _last_event(timeline: Timeline, vendor: str) -> str:
    events = [entry.what for entry in timeline.entries if entry.state == VENDOR_EVENT and entry.by == vendor]
    return events[-1] if events else ""


def _words(ends: Sequence[SinkEnd]) -> str:
    state = gravest(ends)
    these = [end for end in ends if end.state == state]
    return _BY_STATE[state](these, len(ends))


def _waits(ends: Sequence[SinkEnd], of: int) -> str:
    first = ends[0]
    why = next((end.why for end in ends if end.why), "")
    return f"{_some(ends, of)}waits since {clock(first.record.timestamp_ms)}" + (f": {why}" if why else "")


def _parked(ends: Sequence[SinkEnd], of: int) -> str:
    reasons = dict.fromkeys(end.why for end in ends if end.why)
    return f"{_some(ends, of)}parked" + (f": {', '.join(reasons)}" if reasons else "")


def _no_receipt(ends: Sequence[SinkEnd], of: int) -> str:
    return f"{_some(ends, of)}finished, no receipt says how"


def _given_up(ends: Sequence[SinkEnd], of: int) -> str:
    return f"{_some(ends, of)}{ends[-1].state.replace('_', ' ')} {ends[-1].why}".rstrip()


def _delivered(ends: Sequence[SinkEnd], _: int) -> str:
    last = max((end for end in ends if end.receipt), key=lambda end: end.receipt.finished_at_ms if end.receipt else 0)
    assert last.receipt is not None, "only a receipt says that a record was delivered"
    at_ms = last.receipt.finished_at_ms
    found = "delivered" if last.state == "delivered" else "found there"
    text = f"{found} {clock(at_ms)}, {lasting((at_ms - last.record.timestamp_ms) / 1000)} after publication"
    reason = last.receipt.reason
    return text + (f", {reason}" if reason else "")


def _skipped(ends: Sequence[SinkEnd], _: int) -> str:
    return "nothing to send: " + ", ".join(dict.fromkeys(end.why for end in ends if end.why))


_BY_STATE: Final[Mapping[str, Callable[[Sequence[SinkEnd], int], str]]] = {
    "waits": _waits,
    "parked": _parked,
    "no_receipt": _no_receipt,
    "passed_over": _given_up,
    "discarded": _given_up,
    "delivered": _delivered,
    "found": _delivered,
    "skipped": _skipped,
}


def _some(ends: Sequence[SinkEnd], of: int) -> str:
    """``1 of 3 records `` where only a part is meant."""
    return "" if len(ends) == of else f"{len(ends)} of {of} records "


def clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S")
