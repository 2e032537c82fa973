"""Play a scene, and read ``/metrics`` of its pods at a fixed pace meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

import httpx
from prometheus_client.parser import text_string_to_metric_families

from workers.app.runtime.metrics import BUILD, NUMBERS, WORKER
from workers.devkit.bench.load import CREATED, STATUS, Shape, shape_of
from workers.devkit.demo.samples import Publishers, Sample, read_samples
from workers.devkit.recordings.scenes import Drop, Expire, Kafka, Load, Publish, Scene, Start, Step, Stop, Vendor
from workers.devkit.recordings.series import Name, Recording, Value
from workers.devkit.recordings.stage import Running, Stage, staged
from workers.edges.kafka.publisher import Publisher, open_publisher

_KEPT: Final = (
    *(metric.name for metric in (BUILD, *WORKER, *NUMBERS.values())),
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
)
_PAUSE_S: Final = 0.05
_DIGITS: Final = 4  # that are kept of a number


@dataclass(slots=True)
class _Readings:
    """What has been read so far."""

    count: int = 0
    series: dict[Name, list[Value]] = field(default_factory=dict)

    def add(self, samples: dict[Name, float]) -> None:
        for name in self.series.keys() | samples.keys():
            self.series.setdefault(name, [None] * self.count).append(samples.get(name))
        self.count += 1


def record(scene: Scene) -> Recording:
    """Raises `DemoError`, `BrokerError` and `KafkaFailed`."""
    with staged(scene) as stage, open_publisher(stage.configuration.settings.kafka) as publisher:
        readings, over = _Readings(), threading.Event()
        reader = threading.Thread(target=_read_all, args=(stage, readings, over), daemon=True)
        orders = _Orders(publisher, {topic: shape_of(stage.configuration, topic) for topic in (CREATED, STATUS)})
        if scene.samples_per_s:
            samples = read_samples()
            orders.samples = _Samples(samples, Publishers.start(stage.processes, samples), scene.samples_per_s)
        reader.start()
        _play(stage, orders)
        over.set()
        reader.join()
    return Recording(scene.name, scene.scale, scene.every_s, readings.series)


@dataclass(slots=True)
class _Samples:
    """Publishes the demo's events, as the demo does, at an even pace."""

    events: list[Sample]
    publishers: Publishers
    per_s: float
    sent: int = 0
    began: float = field(default_factory=time.monotonic)

    def publish_due(self) -> None:
        due = int((time.monotonic() - self.began) * self.per_s)
        for event in self.events[self.sent : due]:
            self.publishers.send(event)
        self.sent = max(self.sent, due)


@dataclass(slots=True)
class _Orders:
    """Publishes at the pace of the last `Load`."""

    publisher: Publisher
    shapes: dict[str, Shape]
    number: int = 0
    per_s: float = 0.0
    due_at: float = 0.0
    samples: _Samples | None = None

    def set_pace(self, per_s: float) -> None:
        self.per_s, self.due_at = per_s, time.monotonic()

    def publish_due(self) -> None:
        while self.per_s and time.monotonic() >= self.due_at:
            self.due_at += 1 / self.per_s
            self.publish(CREATED, self.number)
            self.number += 1
        if self.samples is not None:
            self.samples.publish_due()

    def publish(self, topic: str, number: int) -> None:
        shape = self.shapes[topic]
        self.publisher.send(topic, shape.key(number), shape.value(number), ())


def _play(stage: Stage, orders: _Orders) -> None:
    began = time.monotonic()
    steps = sorted(stage.scene.steps, key=lambda step: step.at_s)
    while (elapsed_s := time.monotonic() - began) < stage.scene.lasts_s:
        while steps and steps[0].at_s <= elapsed_s:
            _do(steps.pop(0), stage, orders)
        stage.restart_ended()
        orders.publish_due()
        time.sleep(_PAUSE_S)


def _do(step: Step, stage: Stage, orders: _Orders) -> None:
    match step:
        case Vendor(knobs=knobs, vendor=vendor):
            stage.set_faults(vendor, knobs)
        case Stop(pod=pod):
            stage.stop(pod)
        case Start(pod=pod):
            stage.start(pod)
        case Kafka() | Expire() | Drop():
            stage.change_broker(step)
        case Publish(topic=topic, number=number):
            orders.publish(topic, number)
        case Load(per_s=per_s):
            orders.set_pace(per_s)
        case _:
            assert_never(step)


def _read_all(stage: Stage, readings: _Readings, over: threading.Event) -> None:
    due_at = time.monotonic()
    with httpx.Client(trust_env=False, timeout=stage.scene.every_s) as client:
        while not over.wait(max(0.0, due_at - time.monotonic())):
            due_at += stage.scene.every_s
            read = [_read(client, running) for running in list(stage.running.values())]
            readings.add({name: value for samples in read for name, value in samples.items()})


def _read(client: httpx.Client, running: Running) -> dict[Name, float]:
    """Nothing where it does not answer, or with an error: Prometheus has no sample then."""
    try:
        answer = client.get(f"{running.server.url}/metrics")
    except httpx.TransportError:
        return {}
    return dict(_samples(answer.text, running.instance)) if answer.is_success else {}


def _samples(text: str, instance: str) -> Iterator[tuple[Name, float]]:
    for family in text_string_to_metric_families(text):
        if family.name not in _KEPT and f"{family.name}_total" not in _KEPT:
            continue
        for sample in family.samples:
            labels = {**sample.labels, "instance": instance}
            named = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
            yield f"{sample.name}{{{named}}}", float(f"{sample.value:.{_DIGITS}g}")
