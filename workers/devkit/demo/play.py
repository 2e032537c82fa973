"""The demo: sample orders travel from a real Kafka to simulated vendors, and every one is accounted for."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from workers.devkit.demo import start as demo_start
from workers.devkit.demo.account import Account, account_of
from workers.devkit.demo.parts import DemoError
from workers.devkit.demo.samples import REFUSED, Publishers, Sample, read_samples
from workers.devkit.demo.screen import Screen
from workers.devkit.demo.start import Demo
from workers.devkit.demo.watch import SinkView, Watch
from workers.devkit.simulators import terms

_TICK = 0.1  # seconds
_PER_TICK = 6  # events published; what takes a shop a day takes the demo ten seconds
_OUTAGES_FROM = 0.3  # of the events
_OUTAGE = 4.0  # seconds
_STUCK_AFTER = 30.0  # seconds without any record ending


@dataclass
class Progress:
    """What the demo has seen so far."""

    watch: Watch
    screen: Screen
    planned: int
    begun: float
    published: int = 0
    first_delivered: float | None = None
    sinks: Sequence[SinkView] = ()
    moved_at: float = field(default_factory=time.monotonic)
    gates: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Look at all parts and show what has changed; raises `DemoError` when one has ended."""
        before = sum(sink.ended for sink in self.sinks)
        self.sinks = self.watch.look()
        if sum(sink.ended for sink in self.sinks) != before:
            self.moved_at = time.monotonic()
        self._tell_first()
        self._tell_gates()
        self.screen.show(self.sinks, self.published, self.planned, self.watch.told)

    def _tell_first(self) -> None:
        if self.first_delivered is None and any(sink.at_vendor for sink in self.sinks):
            self.first_delivered = time.monotonic() - self.begun
            self.screen.step("the first order has arrived")

    def _tell_gates(self) -> None:
        for sink in self.sinks:
            if self.gates.get(sink.name, "open") != sink.gate:
                reason = f" ({sink.gate_reason})" if sink.gate_reason else ""
                self.screen.step(f"{sink.name}: gate {sink.gate}{reason}")
            self.gates[sink.name] = sink.gate


@dataclass
class Outages:
    """Each vendor refuses connections for a while, one after another; the other vendors' orders go on."""

    progress: Progress
    waiting: list[str]  # vendors whose turn is still to come
    down: str | None = None
    since: float = 0.0
    before: Mapping[str, int] = field(default_factory=dict)  # by sink: records ended when this outage began
    meanwhile: Counter[str] = field(default_factory=Counter)  # by sink: records ended while another's vendor was down

    @property
    def over(self) -> bool:
        return self.down is None and not self.waiting

    def tick(self, share: float) -> None:
        """Begin when enough of the events is published, end each some seconds later."""
        if self.down is not None and time.monotonic() - self.since >= _OUTAGE:
            self._end(self.down)
        elif self.down is None and self.waiting and share >= _OUTAGES_FROM:
            self._begin(self.waiting.pop(0))

    def _begin(self, vendor: str) -> None:
        self.progress.screen.step(f"{vendor} goes down for {_OUTAGE:.0f} seconds")
        self.progress.watch.set_faults(vendor, down=True)
        self.down, self.since = vendor, time.monotonic()
        self.before = self._others(vendor)

    def _end(self, vendor: str) -> None:
        self.progress.watch.set_faults(vendor, down=False)
        ended = {name: count - self.before.get(name, 0) for name, count in self._others(vendor).items()}
        self.meanwhile.update(ended)
        said = "".join(f"; meanwhile {name} ended {count} records" for name, count in ended.items())
        self.progress.screen.step(f"{vendor} is up again{said}")
        self.down = None

    def _others(self, vendor: str) -> dict[str, int]:
        return {sink.name: sink.ended for sink in self.progress.sinks if sink.vendor != vendor}


def play(screen: Screen, ends: ExitStack, *, orders: Path | None, yes: bool, begun: float) -> tuple[Demo, Account]:
    """Run the demo to its account; ``ends`` then ends what runs. Raises `DemoError`, `BrokerError`, `ConfigError`."""
    mark = demo_start.own_mark(os.environ, time.time())
    samples = read_samples(orders, mark)
    demo = demo_start.start(screen, ends, mark=mark, yes=yes)
    publishers = Publishers.start(demo.stage, samples)  # now: they take as long as the workers to be ready
    demo.wait_until_ready()
    progress = Progress(demo.watch, screen, len(samples), begun)
    for sink in demo.watch.sinks.values():
        refused = [terms(sink.vendor).number(mark + order_id, sink.options) for order_id in REFUSED]
        demo.watch.set_faults(sink.vendor, bad_ids=refused)
    outages = Outages(progress, list(demo.watch.simulators))
    _publish(demo, publishers, samples, outages)
    progress.look()
    screen.step("counting at the vendors")
    sinks = [account_of(demo.watch.sinks[view.name], view, demo, samples) for view in progress.sinks]
    seconds, meanwhile = time.monotonic() - begun, dict(outages.meanwhile)
    return demo, Account(tuple(sinks), progress.first_delivered, seconds, meanwhile, demo.news())


def _publish(demo: Demo, publishers: Publishers, samples: Sequence[Sample], outages: Outages) -> None:
    progress = outages.progress
    progress.screen.step(f"publishing {len(samples)} events, as relay publish does")
    for few in _in_parts(samples):
        for sample in few:
            publishers.send(sample)
        progress.published += len(few)
        outages.tick(progress.published / len(samples))
        progress.look()
        time.sleep(_TICK)
    publishers.close()
    progress.moved_at = time.monotonic()
    while not (outages.over and _all_ended(demo, samples, progress)):
        outages.tick(1.0)
        progress.look()
        _fail_if_stuck(demo, progress)
        time.sleep(_TICK)


def _in_parts(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    return (samples[start : start + _PER_TICK] for start in range(0, len(samples), _PER_TICK))


def _all_ended(demo: Demo, samples: Sequence[Sample], progress: Progress) -> bool:
    wanted = {name: sum(sample.topic in sink.consumes for sample in samples) for name, sink in demo.watch.sinks.items()}
    return all(sink.ended >= wanted[sink.name] and not sink.in_flight and not sink.lag for sink in progress.sinks)


def _fail_if_stuck(demo: Demo, progress: Progress) -> None:
    if time.monotonic() - progress.moved_at > _STUCK_AFTER:
        counts = ", ".join(f"{sink.name}: {sink.ended} ended, {sink.lag} waiting" for sink in progress.sinks)
        raise DemoError(f"nothing moved for {_STUCK_AFTER:.0f} seconds ({counts}); the logs are in {demo.stage.folder}")
