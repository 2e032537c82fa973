"""The runs that are recorded: what goes wrong in each, and when."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from workers.devkit.demo.samples import REFUSED

ECDP: Final = "ecdp-sink"
DCL: Final = "dcl-poller"
KOMET: Final = "komet-poller"
_FIRST_BAD: Final = 100  # the first orders of a run are good ones


@dataclass(frozen=True, slots=True)
class Vendor:
    """The vendor's simulator gets these fault knobs (`workers.devkit.simulators.faults`)."""

    at_s: float
    knobs: Mapping[str, Any]
    vendor: str = "ecdp"


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGTERM: the pod drains and ends, and is not started again."""

    at_s: float
    pod: str


@dataclass(frozen=True, slots=True)
class Start:
    """A pod of this name starts, with a new address, as Kubernetes does it."""

    at_s: float
    pod: str


@dataclass(frozen=True, slots=True)
class Kafka:
    """The only broker dies, or comes back."""

    at_s: float
    up: bool


@dataclass(frozen=True, slots=True)
class Expire:
    """Kafka deletes all records of partition 0 of ``order-created``, read or not."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Kafka deletes a topic."""

    at_s: float
    topic: str


@dataclass(frozen=True, slots=True)
class Publish:
    """One more event of this order number."""

    at_s: float
    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Load:
    """From now on so many orders a second are published."""

    at_s: float
    per_s: float


Step: TypeAlias = Vendor | Stop | Start | Kafka | Expire | Drop | Publish | Load
EVERY: Final = ("ecdp-sink", "ecourier-sink", "komet-sink", "dcl-poller", "ecourier-poller", "e2cc-poller")


@dataclass(frozen=True, slots=True)
class Pod:
    """A process as Kubernetes runs it: one that ends by itself is started again."""

    name: str
    workers: tuple[str, ...] = (ECDP,)
    instance_id: str | None = None  # None: the pod's name, as in the chart
    module: str = "workers"  # `relay`, as ``python -m`` runs it

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self.module, "run", *self.workers]


@dataclass(frozen=True, slots=True)
class Scene:
    """One run. ``scale``: so many seconds does one recorded second stand for; ``fires``: the alerts that it shows."""

    name: str
    what: str
    scale: int
    lasts_s: float
    every_s: float  # between two readings of /metrics
    steps: tuple[Step, ...]
    fires: frozenset[str] = frozenset()
    pods: tuple[Pod, ...] = (Pod("ecdp-sink-0"),)
    environ: Mapping[str, str] = field(default_factory=dict)
    samples_per_s: float = 0.0  # the demo's events are published, too, so many a second

    @property
    def first_pods(self) -> list[str]:
        """Those that run when the scene begins: a step of it starts the others."""
        moves = {step.pod: step for step in reversed(self.steps) if isinstance(step, Start | Stop)}
        return [pod.name for pod in self.pods if not isinstance(moves.get(pod.name), Start)]


def _bad(every: int) -> list[str]:
    """Every so many-th of the orders, by its id."""
    return [f"SO-{number:08}" for number in range(_FIRST_BAD, _FIRST_BAD + 2_000, every)]


_BEATS: Final = {
    f"RELAY__KOMET_POLLER__SETS__{name}__EVERY": every
    for name, every in {
        "INVOICES": "5s",
        "WEB_ORDERS": "10s",
        "PREBOOKS": "60s",
        "INVENTORY": "60s",
        "CUSTOMER": "60s",
    }.items()
} | {"RELAY__KOMET_POLLER__SETTLE_LAG": "5s"}  # as topics.yaml has them, where a second stands for a minute
_TWO: Final = (Pod("ecdp-sink-0"), Pod("ecdp-sink-1"))
_USUAL: Final = Vendor(0, {"latency": "20ms"})
_LOAD: Final = Load(0, 8)

SCENES: Final[tuple[Scene, ...]] = (
    Scene("clean", "orders flow, and the vendor answers.", 12, 90, 1.25, (_USUAL, _LOAD)),
    Scene(
        "rolling-restart", "two pods are replaced one after the other, under load.", 4, 60, 1.25,
        (_USUAL, _LOAD, Stop(15, "ecdp-sink-0"), Start(16, "ecdp-sink-0"),
         Stop(30, "ecdp-sink-1"), Start(31, "ecdp-sink-1")),
        pods=_TWO,
    ),
    Scene(
        "quiet-night", "an order now and then in two hours and a half; one status waits minutes for its create; a "
        "poller reads some of its sets once an hour.",
        60, 150, 0.5,
        (_USUAL, *(Publish(at_s, "order-created", int(at_s)) for at_s in (5.0, 20.0, 35.0, 50.0, 70.0)),
         Publish(21, "order-status", 700), Publish(25, "order-created", 700)),
        pods=(Pod("ecdp-sink-0"), Pod("komet-poller-0", (KOMET,))),
        environ={"RELAY__ECDP_SINK__UNKNOWN_ORDER_WAIT": "10s", **_BEATS},
    ),
    Scene(
        "vendor-down", "ECDP refuses every connection for 22 minutes.", 12, 150, 1.25,
        (_USUAL, _LOAD, Vendor(15, {"down": True}), Vendor(127, {"down": False})),
        frozenset({"RelayGateShut", "RelayDeliveriesLate", "RelayOldestUnfinished"}),
    ),
    Scene(
        "key-refused", "ECDP answers 401 to the key for 10 minutes.", 12, 80, 1.25,
        (_USUAL, _LOAD, Vendor(15, {"deny": 401}), Vendor(65, {"deny": 0})),
        frozenset({"RelayCredentialsRefused", "RelayDeliveriesLate"}),
    ),
    Scene(
        "poison-order", "ECDP refuses one order of many; it stays parked for hours.", 40, 390, 1,
        (Vendor(0, {"bad_ids": ["SO-00000004"]}), Load(0, 2)),
        frozenset({"RelayParkedOrdersWait"}),
    ),
    Scene(
        "suspect-stream", "ECDP refuses every order from now on, with 422.", 12, 70, 1.25,
        (_USUAL, _LOAD, Vendor(15, {"error_rate": 1.0, "error_statuses": [422]})),
        frozenset({"RelayStreamSuspect", "RelayOrdersParking", "RelayDeliveriesLate"}),
    ),
    Scene(
        "stopped-partition", "records expire that the worker had not read: their partition stops.", 12, 100, 1.25,
        (_USUAL, _LOAD, Stop(15, "ecdp-sink-0"), Load(20, 0), Expire(21), Start(22, "ecdp-sink-0"), Load(22, 8)),
        frozenset({"RelayPartitionStopped", "RelayLagUnknown", "RelayDeliveriesLate"}),
    ),
    Scene(
        "stalled-partition", "ECDP fails at one order for 20 minutes and more, and takes all others.", 12, 150, 1.25,
        (_USUAL, Vendor(0, {"broken_ids": [f"SO-{_FIRST_BAD:08}"]}), _LOAD),
        frozenset({"RelayPartitionStalled", "RelayOldestUnfinished"}),
        environ={"RELAY__ECDP_SINK__RETRY__GIVE_UP_AFTER": "1h"},
    ),
    Scene(
        "slow-vendor", "each answer of ECDP takes 18 seconds.", 12, 100, 1.25,
        (_USUAL, _LOAD, Vendor(15, {"latency": "1500ms"})),
        frozenset({"RelayVendorSlow"}),
    ),
    Scene(
        "lost-answers", "ECDP gives no answer to one request of twelve; each is repeated after 72 seconds.", 12, 150,
        1.25,
        (_USUAL, _LOAD, Vendor(10, {"hang": 0.08})),
        frozenset({"RelayDeliveriesLate", "RelayVendorSlow"}),
        environ={"RELAY__ECDP_SINK__REQUEST_TIMEOUT": "6s"},
    ),
    Scene(
        "parked-growth", "ECDP refuses every fourth order.", 12, 70, 1.25,
        (_USUAL, _LOAD, Vendor(0, {"bad_ids": _bad(4)})),
        frozenset({"RelayOrdersParking", "RelayParkedFull"}),
        environ={"RELAY__ECDP_SINK__MAX_PARKED": "40"},
    ),
    Scene(
        "poller-behind", "DCL refuses every connection for 50 minutes.", 60, 75, 0.5,
        (Vendor(0, {"changes": 2}, "dcl"), Vendor(10, {"down": True}, "dcl"), Vendor(65, {"down": False}, "dcl")),
        frozenset({"RelayPollerBehind"}),
        pods=(Pod("dcl-poller-0", (DCL,)),),
    ),
    Scene(
        "set-behind", "Komet refuses every connection for 50 minutes, and comes back.", 60, 75, 0.5,
        (Vendor(10, {"down": True}, "komet"), Vendor(65, {"down": False}, "komet")),
        frozenset({"RelayPollerBehind"}),
        pods=(Pod("komet-poller-0", (KOMET,)),),
        environ=_BEATS,
    ),
    Scene(
        "poller-silent", "a topic is gone that a poller publishes to, from its first start on.", 60, 40, 0.5,
        (Vendor(0, {"changes": 2}, "dcl"), Drop(0, "order-stage-changed"), Start(3, "dcl-poller-0")),
        frozenset({"RelayPollerSilent"}),
        pods=(Pod("ecdp-sink-0"), Pod("dcl-poller-0", (DCL,))),
    ),
    Scene(
        "topic-missing", "the state topic of a poller is gone when it starts.", 12, 50, 1.25,
        (Drop(0, "dcl-poll-state"), Start(3, "dcl-poller-0")),
        frozenset({"RelayWorkerNotRunning"}),
        pods=(Pod("dcl-poller-0", (DCL,)),),
    ),
    Scene(
        "duplicate-instance", "two processes run under one RELAY_INSTANCE_ID.", 12, 65, 1.25,
        (_USUAL, _LOAD, Start(20, "ecdp-sink-1")),
        frozenset({"RelayDuplicateInstance"}),
        pods=(Pod("ecdp-sink-0"), Pod("ecdp-sink-1", instance_id="ecdp-sink-0")),
    ),
    Scene(
        "kafka-down", "the only broker is gone for 4 minutes.", 4, 90, 1.25,
        (_USUAL, _LOAD, Load(15, 0), Kafka(16, up=False), Kafka(76, up=True)),
        frozenset({"RelayKafkaDown"}),
    ),
    Scene(
        "loop-stuck", "the consumer thread of a pod stops, and no liveness probe restarts it.", 12, 50, 1.25,
        (_USUAL, _LOAD),
        frozenset({"RelayLoopStuck"}),
        pods=(Pod("ecdp-sink-0", module="workers.devkit.recordings.stuck"),),
    ),
    Scene(
        "telemetry-absent", "the only pod of a worker is gone, and stays so.", 12, 60, 1.25,
        (_USUAL, _LOAD, Stop(20, "ecdp-sink-0")),
        frozenset({"RelayTelemetryAbsent"}),
        pods=(Pod("ecdp-sink-0"), Pod("dcl-poller-0", (DCL,))),
    ),
    Scene(
        "budget-low", "Komet grants 24 requests a day to a sink and a poller, and they are spent.", 12, 60, 1.25, (),
        frozenset({"RelayBudgetLow", "RelayDeliveriesLate"}),
        pods=(Pod("komet-sink-0", ("komet-sink",)), Pod("komet-poller-0", (KOMET,))),
        environ={"RELAY__KOMET_SINK__BUDGET__REQUESTS": "24", "RELAY__KOMET_POLLER__BUDGET__REQUESTS": "24"},
        samples_per_s=12,
    ),
    Scene(
        "half-made-order", "Komet takes no item of one order, which is parked with its open web order.", 12, 60, 1.25,
        (Vendor(0, {"broken_ids": ["SO-10008"]}, "komet"),),
        frozenset({"RelayOrderHalfMade"}),
        pods=(Pod("komet-sink-0", ("komet-sink",), module="workers.devkit.recordings.short_life"),),
        environ={"RELAY__KOMET_SINK__RETRY__GIVE_UP_AFTER": "5s"},
        samples_per_s=6,
    ),
    Scene(
        "demo", "the demo's orders at every vendor, some bad; three vendors are down in turn.", 12, 120, 1.25,
        (_USUAL, Vendor(0, {"latency": "60ms"}, "ecourier"), Vendor(0, {"changes": 2}, "dcl"),
         Vendor(0, {"changes": 1}, "e2cc"), Vendor(0, {"changes": 3, "events_without_id": 0.1}, "ecourier"),
         Vendor(0, {"bad_ids": sorted(REFUSED)}), Vendor(30, {"down": True}), Vendor(50, {"down": False}),
         Vendor(60, {"down": True}, "ecourier"), Vendor(72, {"down": False}, "ecourier"),
         Vendor(80, {"down": True}, "dcl"), Vendor(92, {"down": False}, "dcl")),
        frozenset({"RelayDeliveriesLate"}),
        pods=tuple(Pod(f"{worker}-0", (worker,)) for worker in EVERY),
        environ={"RELAY__ECDP_SINK__UNKNOWN_ORDER_WAIT": "5s"},
        samples_per_s=4,
    ),
)  # fmt: skip
BY_NAME: Final = {scene.name: scene for scene in SCENES}
