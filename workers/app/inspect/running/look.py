"""One look at one worker: the numbers that tell how it is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from workers.app.inspect.running.answers import Answer
from workers.core.counted import counted, ranges

STUCK_AFTER_S: Final = 60.0  # as /livez has it
STALLED_AFTER_S: Final = 120.0  # a partition with lag that has not moved for so long
# From here on as the alerts have it (helm/order-relay/rules): what pages the operator must not look well here.
THROTTLED_AFTER_S: Final = 600.0  # the vendor asked for a pause, and gets it; so long is no pause any more
OLD_AFTER_S: Final = 1200.0
BEHIND_AFTER_S: Final = 1800.0  # beyond the beat of a set
BUDGET_LOW: Final = 0.1
HALF_MADE_FOR_LONG: Final = 2 / 3  # of the time for which the vendor keeps such an order


class Fault(NamedTuple):
    """What is wrong, and the command that tells more."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class Look:
    """A worker of one process. None: the number does not apply to it, or is not known."""

    worker: str
    instance: str
    address: str
    kind: str
    state: str
    done: int  # records that it has finished, or events that it has published, since its start
    lag: int | None
    oldest_s: float | None  # age of the oldest record that waits; of a poller: how far it is behind, None: unknown
    reads_first: bool  # of a poller: what there is has not been read as a whole yet
    in_flight: int
    parked: int | None  # orders
    gate: str
    gate_reason: str | None
    kafka: str
    faults: tuple[Fault, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Which worker of which process."""
        return self.address, self.worker


def looks_of(answers: Iterable[Answer], names: Sequence[str] = ()) -> list[Look]:
    """The workers of these answers, of these names or all."""
    return [
        look_of(name, status, answer)
        for answer in answers
        for name, status in (answer.workers or {}).items()
        if not names or name in names
    ]


def look_of(name: str, status: Mapping[str, Any], answer: Answer) -> Look:
    """A worker, by its part of ``/status``; a part that an older release does not have is not known."""
    gate, is_sink = status.get("gate") or {}, status.get("kind") == "sink"
    finished = ("delivered_total", "skipped_total", "parked_total") if is_sink else ("events_total",)
    return Look(
        worker=name,
        instance=answer.instance,
        address=answer.address,
        kind=str(status.get("kind", "")),
        state=str(status.get("state", "")),
        done=sum(int(status.get(key) or 0) for key in finished),
        lag=status.get("lag_records") if status.get("lag_known") else None,
        oldest_s=float(status.get("oldest_unfinished_seconds") or 0.0) if is_sink else status.get("behind_seconds"),
        reads_first=status.get("first_reading_seconds") is not None,
        in_flight=int(status.get("in_flight") or 0),
        parked=status.get("parked_orders"),
        gate=str(gate.get("state", "")),
        gate_reason=gate.get("reason"),
        kafka=str((status.get("kafka") or {}).get("state", "")),
        faults=tuple(_faults(name, status) if answer.fault is None else [_stuck(status, answer.fault)]),
    )


def _stuck(status: Mapping[str, Any], fault: str) -> Fault:
    age_s = status.get("loop_age_seconds")
    moved = "will not move again" if age_s is None else f"last moved {age_s:.0f} s ago"
    return Fault(f"{fault}; it {moved}", "restart the process if this lasts for a minute")


def _faults(name: str, status: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _of_process(name, status)
    yield from _of_budget(status)
    if sets := status.get("sets"):
        for set_name, one in sets.items():
            yield from _of_vendor(name, one, f"{set_name}: ")
            yield from _of_poller(name, one, f"{set_name}: ")
    else:
        yield from _of_vendor(name, status)
        yield from _of_poller(name, status)
    if status.get("kind") == "sink":
        yield from _of_sink(name, status)
    left, limit = status.get("budget_left_requests"), status.get("budget_limit_requests")
    if left is not None and limit and left < BUDGET_LOW * limit:
        yield Fault(f"{left:,} of {limit:,} requests of the vendor's budget are left", f"relay check {name}")


def _of_poller(name: str, status: Mapping[str, Any], prefix: str = "") -> Iterator[Fault]:
    behind_s = status.get("behind_seconds") or 0.0
    if behind_s > BEHIND_AFTER_S + (status.get("beat_seconds") or 0.0):
        yield Fault(
            f"{prefix}the vendor's changes of the last {behind_s:,.0f} s are not published", f"relay check {name}"
        )


def _of_vendor(name: str, status: Mapping[str, Any], prefix: str = "") -> Iterator[Fault]:
    gate = status.get("gate") or {}
    is_pause = gate.get("reason") == "throttled" and (gate.get("shut_seconds") or 0.0) < THROTTLED_AFTER_S
    if gate.get("state", "open") != "open" and not is_pause:
        since = f" since {gate['since']}" if gate.get("since") else ""
        what = f"{prefix}gate {gate['state']} ({gate.get('reason')}){since}: {gate.get('detail')}"
        refused = gate.get("reason") == "suspect"  # the vendor answers, and its answers lie with what is parked
        yield Fault(what, f"relay parked list --sink {name}" if refused else f"relay check {name}")
    elif status.get("last_error") and gate.get("state", "open") == "open" and not _names_stopped(status):
        yield Fault(f"{prefix}{status['last_error']} (at {status.get('last_error_at')})", f"relay check {name}")


def _names_stopped(status: Mapping[str, Any]) -> bool:
    """Whether the last error is that of a stopped partition, which `_of_sink` names with all that stopped alike."""
    stopped = (f"{row['topic']}/{row['partition']} stopped: " for row in _stopped(status))
    return str(status["last_error"]).startswith(tuple(stopped))


def _stopped(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in status.get("partitions", ()) if row.get("stopped")]


def _of_budget(status: Mapping[str, Any]) -> Iterator[Fault]:
    limit = status.get("budget_limit_requests")
    if limit and not status.get("budget_left_requests"):
        what = f"the account's budget of {limit} requests is spent: nothing is sent until some of them come back"
        yield Fault(what, f"relay vendor {status['vendor']} quota")


def _of_process(name: str, status: Mapping[str, Any]) -> Iterator[Fault]:
    kafka = status.get("kafka") or {}
    if kafka.get("state", "up") != "up":
        yield Fault(f"Kafka {kafka['state']} since {kafka.get('since')}: {kafka.get('detail')}", "relay check")
    elif status.get("state") == "starting":
        yield Fault("it has not joined its group yet", f"relay check {name}")
    age_s = status.get("loop_age_seconds", 0.0)
    if age_s is None or age_s >= STUCK_AFTER_S:
        how_long = "for good" if age_s is None else f"for {age_s:.0f} s"
        yield Fault(f"its loop has been stuck {how_long}: /livez fails", "restart the process")


def _of_sink(name: str, status: Mapping[str, Any]) -> Iterator[Fault]:
    for (topic, reason), numbers in _grouped(_stopped(status)).items():
        what = f"{counted(len(numbers), 'partition')} of {topic} stopped ({ranges(numbers)}): {reason}"
        yield Fault(what, f"relay offsets {name}")
    if (status.get("gate") or {}).get("state") == "open":
        yield from _of_waiting(name, status)
    yield from _of_half_made(status)
    if status.get("parked_full_orders"):
        what = f"{counted(status['parked_full_orders'], 'order')} at max_parked_per_order"
        yield Fault(what, f"relay parked list --sink {name}")
    if status.get("parked_full"):
        yield Fault(
            f"{counted(status['parked_records'], 'record')} parked: max_parked", f"relay parked list --sink {name}"
        )


def _of_waiting(name: str, status: Mapping[str, Any]) -> Iterator[Fault]:
    stalled_s, oldest_s = (status.get(key) or 0.0 for key in ("stalled_seconds", "oldest_unfinished_seconds"))
    if stalled_s >= STALLED_AFTER_S:
        yield Fault(f"a partition with lag has not moved for {stalled_s:.0f} s", f"relay waiting {name}")
    elif oldest_s > OLD_AFTER_S:
        yield Fault(f"the oldest record has waited for {oldest_s:,.0f} s", f"relay waiting {name}")


def _of_half_made(status: Mapping[str, Any]) -> Iterator[Fault]:
    oldest_s, life_s = status.get("half_made_oldest_seconds") or 0.0, status.get("half_made_life_seconds")
    if life_s is None or oldest_s <= HALF_MADE_FOR_LONG * life_s:
        return
    order_id, others = status["half_made_oldest_order"], status["half_made_orders"] - 1
    what = f"order {order_id} has been half made at the vendor for {oldest_s / 3600:,.0f} h, which keeps it for"
    what += f" {life_s / 3600:,.0f} h" + (f"; {counted(others, 'other')} too" if others else "")
    yield Fault(what, f"relay order {order_id}")


def _grouped(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """Partition numbers by topic and reason."""
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        found.setdefault((row["topic"], row["stopped"]), []).append(row["partition"])
    return found


def rate(before: Look, after: Look, seconds: float) -> float | None:
    """Finished records or published events a second between two looks; None: the process has restarted meanwhile."""
    done = after.done - before.done
    return None if done < 0 or seconds <= 0 else done / seconds
