"""The demo: sample orders go from a real Kafka to simulated vendors, and each one is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from workers.core.counted import counted
from workers.devkit.demo import start as demo_start
from workers.devkit.demo.monitor import Monitor, SinkView
from workers.devkit.demo.own_names import GivenKafka
from workers.devkit.demo.processes import DemoError
from workers.devkit.demo.report import Report, sink_report
from workers.devkit.demo.samples import REFUSED, Publishers, Sample, read_samples
from workers.devkit.demo.screen import Screen
from workers.devkit.demo.start import Demo
from workers.devkit.simulators import sink_side

_TICK_S: Final = 0.1
_EVENTS_PER_TICK: Final = 6  # all events within ten seconds
_OUTAGES_FROM: Final = 0.3  # share of the events
_OUTAGE_S: Final = 4.0
_STUCK_AFTER_S: Final = 30.0  # without any record reaching its outcome


@dataclass
class Progress:
    """The state of the demo so far."""

    monitor: Monitor
    screen: Screen
    planned: int
    begun: float
    published: int = 0
    first_delivered: float | None = None
    sinks: Sequence[SinkView] = ()
    moved_at: float = field(default_factory=time.monotonic)
    gates: dict[str, str] = field(default_factory=dict)

    def refresh(self) -> None:
        """Ask all servers and show what has changed; raises `DemoError` when one has ended."""
        before = sum(sink.ended for sink in self.sinks)
        self.sinks = self.monitor.refresh()
        if sum(sink.ended for sink in self.sinks) != before:
            self.moved_at = time.monotonic()
        self._report_first_order()
        self._report_gates()
        self.screen.show(self.sinks, self.published, self.planned, self.monitor.events)

    def fail_if_stuck(self) -> None:
        """Raise `DemoError` when no record has got its outcome for some time."""
        if time.monotonic() - self.moved_at > _STUCK_AFTER_S:
            counts = ", ".join(f"{sink.name}: {sink.ended} ended, {sink.lag} waiting" for sink in self.sinks)
            log = self.monitor.workers.log
            raise DemoError(f"nothing moved for {_STUCK_AFTER_S:.0f} seconds ({counts}); the logs are in {log.parent}")

    def _report_first_order(self) -> None:
        if self.first_delivered is None and any(sink.at_vendor for sink in self.sinks):
            self.first_delivered = time.monotonic() - self.begun
            self.screen.step("the first order has arrived")

    def _report_gates(self) -> None:
        for sink in self.sinks:
            if self.gates.get(sink.name, "open") != sink.gate:
                reason = f" ({sink.gate_reason})" if sink.gate_reason else ""
                self.screen.step(f"{sink.name}: gate {sink.gate}{reason}")
            self.gates[sink.name] = sink.gate


@dataclass
class Outages:
    """Each vendor in turn refuses connections for a while; the other vendors' orders go on."""

    progress: Progress
    waiting: list[str]  # vendors that have not been down yet
    down: str | None = None
    since: float = 0.0
    before: Mapping[str, int] = field(default_factory=dict)  # by sink: records with an outcome when this outage began
    meanwhile: Counter[str] = field(default_factory=Counter)  # by sink: records ended in other vendors' outages

    @property
    def over(self) -> bool:
        return self.down is None and not self.waiting

    def tick(self, share: float) -> None:
        """Begin the first outage when enough events are published; end each after some seconds."""
        if self.down is not None and time.monotonic() - self.since >= _OUTAGE_S:
            self._end(self.down)
        elif self.down is None and self.waiting and share >= _OUTAGES_FROM:
            self._begin(self.waiting.pop(0))

    def _begin(self, vendor: str) -> None:
        self.progress.screen.step(f"{vendor} goes down for {_OUTAGE_S:.0f} seconds")
        self.progress.monitor.set_faults(vendor, down=True)
        self.down, self.since = vendor, time.monotonic()
        self.before = self._others(vendor)

    def _end(self, vendor: str) -> None:
        self.progress.monitor.set_faults(vendor, down=False)
        ended = {name: count - self.before.get(name, 0) for name, count in self._others(vendor).items()}
        self.meanwhile.update(ended)
        said = "".join(f"; meanwhile {name} ended {counted(count, 'record')}" for name, count in ended.items())
        self.progress.screen.step(f"{vendor} is up again{said}")
        self.down = None

    def _others(self, vendor: str) -> dict[str, int]:
        return {sink.name: sink.ended for sink in self.progress.sinks if sink.vendor != vendor}


def run_demo(
    screen: Screen, ends: ExitStack, *, orders: Path | None, given: GivenKafka | None, begun: float
) -> tuple[Demo, Report]:
    """Run the demo to its report; ``ends`` ends the processes. Raises `DemoError`, `BrokerError`, `ConfigError`."""
    samples = read_samples(orders, given.prefix if given else "")
    demo = demo_start.start(screen, ends, given)
    publishers = Publishers.start(demo.processes, samples)  # they start while the workers do
    demo.wait_until_ready()
    progress = Progress(demo.monitor, screen, len(samples), begun)
    for sink in demo.monitor.sinks.values():
        refused = [sink_side(sink.vendor).order_number(order_id, sink.options) for order_id in REFUSED]
        demo.monitor.set_faults(sink.vendor, bad_ids=refused)
    outages = Outages(progress, list(demo.monitor.simulators))
    _publish(demo, publishers, samples, outages)
    progress.refresh()
    screen.step("counting at the vendors")
    sinks = [sink_report(demo.monitor.sinks[view.name], view, demo, samples) for view in progress.sinks]
    seconds, meanwhile = time.monotonic() - begun, dict(outages.meanwhile)
    return demo, Report(tuple(sinks), progress.first_delivered, seconds, meanwhile, demo.poller_reports())


def _publish(demo: Demo, publishers: Publishers, samples: Sequence[Sample], outages: Outages) -> None:
    progress = outages.progress
    progress.screen.step(f"publishing {len(samples)} events, as relay publish does")
    _publish_first(publishers, samples, progress)
    for batch in _batches(samples[1:]):
        for sample in batch:
            publishers.send(sample)
        progress.published += len(batch)
        outages.tick(progress.published / len(samples))
        progress.refresh()
        time.sleep(_TICK_S)
    publishers.close()
    progress.moved_at = time.monotonic()
    while not (outages.over and _all_ended(demo, samples, progress)):
        outages.tick(1.0)
        progress.refresh()
        progress.fail_if_stuck()
        time.sleep(_TICK_S)


def _publish_first(publishers: Publishers, samples: Sequence[Sample], progress: Progress) -> None:
    """Publish one order and wait for its outcome: from then on its topic's publisher is ready.

    Otherwise, on a busy machine, the publisher of statuses may start first, and a cancellation precede its order.
    """
    for sample in samples[:1]:
        publishers.send(sample)
        progress.published += 1
        while not any(sink.ended for sink in progress.sinks):
            publishers.fail_if_ended()
            progress.refresh()
            progress.fail_if_stuck()
            time.sleep(_TICK_S)


def _batches(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    return (samples[start : start + _EVENTS_PER_TICK] for start in range(0, len(samples), _EVENTS_PER_TICK))


def _all_ended(demo: Demo, samples: Sequence[Sample], progress: Progress) -> bool:
    wanted = {
        name: sum(sample.topic in sink.consumes for sample in samples) for name, sink in demo.monitor.sinks.items()
    }
    return all(sink.ended >= wanted[sink.name] and not sink.in_flight and not sink.lag for sink in progress.sinks)
