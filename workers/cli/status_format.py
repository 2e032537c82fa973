"""Workers as rows and lines, for `relay status` and `relay top`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from workers.core.counted import counted

if TYPE_CHECKING:
    from workers.app.inspect.running.answers import Answer
    from workers.app.inspect.running.look import Look

COLUMNS: Final = ("worker", "at", "state", "done", "lag", "oldest", "flight", "parked", "gate")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def row(look: Look) -> tuple[str, ...]:
    """One worker's cells, in the sequence of `COLUMNS`."""
    return (
        look.worker,
        look.address,
        _state(look),
        f"{look.done:,}",
        "-" if look.kind != "sink" else "?" if look.lag is None else f"{look.lag:,}",
        "-" if look.oldest_s is None else span(look.oldest_s),
        str(look.in_flight),
        "-" if look.parked is None else f"{look.parked:,}",
        look.gate if look.gate_reason is None else f"{look.gate} ({look.gate_reason})",
    )


def _state(look: Look) -> str:
    if look.kafka not in {"up", ""}:
        return f"{look.state}, Kafka {look.kafka}"
    return f"{look.state}, first reading" if look.reads_first else look.state


def span(seconds: float) -> str:
    """A time in its largest unit: ``4s``, ``12m``, ``3h``, ``5d``; ``0`` below half a second."""
    if seconds < 0.5:  # noqa: PLR2004
        return "0"
    for limit, unit_s, unit in ((_MINUTE_S, 1, "s"), (_HOUR_S, _MINUTE_S, "m"), (_DAY_S, _HOUR_S, "h")):
        if seconds < limit:
            return f"{seconds / unit_s:.0f}{unit}"
    return f"{seconds / _DAY_S:.0f}d"


def fault_lines(looks: Sequence[Look], answers: Iterable[Answer]) -> Iterator[str]:
    """What is wrong, each with what to do next."""
    for answer in answers:
        if answer.workers is None:
            yield answer.fault_line
    yield from _duplicate_lines(looks)
    for look in looks:
        for fault in look.faults:
            yield f"{look.worker} ({look.instance}): {fault.what}; next: {fault.command}"


def absent_lines(names: Iterable[str], looks: Sequence[Look]) -> list[str]:
    """The workers that were asked for, and that no process has."""
    found = {look.worker for look in looks}
    return [f"no {name} runs there" for name in names if name not in found]


def _duplicate_lines(looks: Iterable[Look]) -> Iterator[str]:
    """Processes of one name take each other's place in the group of a worker."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for look in looks:
        found[look.worker, look.instance].append(look.address)
    for (name, instance), at in found.items():
        if len(at) > 1:
            where = " and ".join(at)
            yield f"{name}: {where} have one RELAY_INSTANCE_ID, {instance}; next: give each a name of its own"


def summary(looks: list[Look]) -> str:
    """All workers in one sentence."""
    if not looks:
        return "no worker answers"
    wrong = sum(bool(look.faults) for look in looks)
    parked = sum(look.parked or 0 for look in looks)
    text = f"{counted(len(looks), 'worker')}: {f'{wrong} with a fault' if wrong else 'nothing is wrong'}"
    return text + (f"; {counted(parked, 'order')} parked: relay parked list" if parked else "")
