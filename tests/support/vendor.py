"""A simulated vendor on a loop in a thread of its own, so that a test may block."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias, TypeVar

from workers.devkit.simulators import SECRET, SimulatorOptions, load, sink_side
from workers.devkit.simulators.dcl import USERNAME
from workers.devkit.simulators.faults import QUIET, Faults
from workers.devkit.simulators.server import Answer, Effect, Received

T = TypeVar("T")

KEY = SECRET
Between: TypeAlias = Callable[[Received, Callable[[], Answer]], Answer]


class Vendor:
    """A simulator that is running; ``knobs`` are its faults from the start."""

    def __init__(self, name: str = "ecdp", **knobs: Any) -> None:
        self.name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.simulator: Any = load(name)(SimulatorOptions(secret=KEY, faults=QUIET.changed(knobs)))
        self.url: str = self._run(self.simulator.start())

    @property
    def variables(self) -> dict[str, str]:
        """The environment that leads a worker here."""
        wanted = {"BASE_URL": self.url, **sink_side(self.name).variables}
        return {f"{self.name.upper()}_{name}": value for name, value in wanted.items()}

    def faults(self, **knobs: Any) -> None:
        """Turn some knobs; the others stay."""
        self._run(self.simulator.set_faults(**knobs))

    def answer_by(self, between: Between) -> None:
        """Have a server in between answer every request from now on: it may ask the vendor, and change what it says."""
        vendors_own = self.simulator.ledger.answer

        def answer(request: Received, faults: Faults) -> Answer:
            return between(request, lambda: vendors_own(request, faults))

        self.call(lambda: setattr(self.simulator.ledger, "answer", answer))

    def well(self) -> None:
        """End all faults that were not there from the start."""
        self._run(self.simulator.server.set_faults(self.simulator.options.faults))

    def stop(self) -> None:
        self._run(self.simulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def effects(self) -> list[Effect]:
        return list(self.simulator.ledger.effects)

    @property
    def requests(self) -> Mapping[str, int]:
        return dict(self.simulator.server.requests)

    def stats(self, name: str) -> int:
        """A count of the simulator, read in its loop: its tables change while it serves."""

        async def read() -> int:
            found: int = self.simulator.server.stats()[name]
            return found

        return self._run(read())

    @property
    def attempts(self) -> int:
        total: int = self.simulator.server.requests.total()
        return total

    def of(self, order_id: str) -> list[str]:
        """What was applied to an order, in sequence."""
        return [effect.what for effect in self.effects if effect.order_id == order_id]

    def by_order(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for effect in self.effects:
            found[effect.order_id].append(effect.what)
        return found

    def call(self, what: Callable[[], T]) -> T:
        """Call it in the simulator's loop."""

        async def call() -> T:
            return what()

        return self._run(call())

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)


class Dcl(Vendor):
    """A simulated DCL; its orders change only when a test says so, unless ``changes`` is among the knobs."""

    def __init__(self, **knobs: Any) -> None:
        super().__init__("dcl", **{"changes": 0} | knobs)

    @property
    def variables(self) -> dict[str, str]:
        return {"DCL_BASE_URL": self.url, "DCL_USERNAME": USERNAME, "DCL_PASSWORD": KEY}

    def put(self, number: str, stage: int, *, age_ms: int = 0, **how: Any) -> None:
        """Create an order or move it on; ``age_ms`` ago by DCL's clock."""
        orders = self.simulator.ledger.orders_by_number

        def put() -> None:
            clock, now = orders.clock_ms, orders.clock_ms()
            orders.clock_ms = lambda: now - age_ms
            self.simulator.ledger.put(number, stage, **how)
            orders.clock_ms = clock

        self.call(put)

    def happen(self, count: int) -> None:
        """Have orders received and moved on, by chance."""
        self.call(lambda: self.simulator.ledger.happen(count, self.simulator.server.faults))

    def stages(self) -> dict[str, int]:
        """The last stage of every order."""
        orders = self.simulator.ledger.orders_by_number
        return self.call(lambda: {number: versions[-1].stage for number, versions in orders.versions.items()})
