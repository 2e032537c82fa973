"""One sink as a process, on a real Kafka, before a simulated vendor; and what became of every record."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.support.kafka_side import KafkaSide
from tests.support.relay_process import Command, Processes, Ran, Relay
from tests.support.vendor import Vendor

RANKS = {"add": 0, "replace": 0, "placed": 1, "paid": 2, "completed": 3, "canceled": 4} | {
    "create": 0, "update": 1, "cancel": 4
}  # fmt: skip
STATES = ("placed", "paid", "completed", "canceled")


@dataclass
class Rig:
    """One sink of its own: topics, worker name, vendor, processes."""

    kafka: KafkaSide
    vendor: Vendor
    processes: Processes
    settings: dict[str, str] = field(default_factory=dict)
    vendor_beside: Vendor | None = None  # of the other sink in the same process

    @property
    def worker(self) -> str:
        return self.kafka.worker

    @property
    def relays(self) -> list[Relay]:
        return self.processes.relays

    def start(self, instance: str = "one", **settings: str) -> Relay:
        """``settings``: keys of the worker, such as ``DRAIN="2s"``, or whole variables in lower case."""
        self.processes.bootstrap = self.kafka.bootstrap
        workers = [self.worker, self.kafka.beside.worker] if self.kafka.beside else [self.worker]
        relay = self.processes.run(*workers, instance=instance, **self._variables(self.settings | settings))
        relay.ends = self.kafka.ends
        return relay

    def command(self, *arguments: str) -> Ran:
        """Run one `relay` command to its end, without the vendor's key."""
        return self.processes.command(*arguments)

    def begin(self, *arguments: str) -> Command:
        return self.processes.begin(*arguments)

    def parked(self, verb: str, *arguments: str) -> Ran:
        """``relay parked VERB --sink ...``."""
        return self.command("parked", verb, "--sink", self.worker, *arguments)

    def _variables(self, settings: Mapping[str, str]) -> dict[str, str]:
        own = f"RELAY__{self.worker.upper().replace('-', '_')}__"
        return {name.upper() if name.islower() else own + name: value for name, value in settings.items()}

    # What became of everything.

    def assert_each_has_one_end(
        self, expected: Mapping[str, Sequence[str]], *, repeats: int = 0, readable: bool = True
    ) -> None:
        """Every order has exactly the expected effects in their sequence, apart from ``repeats`` at most in all; and
        every finished record has its receipt, if all of them are ``readable``.
        """
        found, repeated = self.vendor.by_order(), 0
        assert set(found) == set(expected)
        for order_id, wanted in expected.items():
            effects = ["add" if what == "replace" else what for what in found[order_id]]
            assert set(effects) == set(wanted), (order_id, effects, wanted)
            assert effects[-1] == wanted[-1], (order_id, effects, wanted)
            repeated += len(effects) - len(wanted)
            if not repeats:
                assert effects == list(wanted), (order_id, effects, wanted)
        assert repeated <= repeats, f"{repeated} repeated"
        assert not readable or self.kafka.without_receipt() == set()

    def assert_never_back(self, times: int = 0) -> None:
        """Per order the effects never go back, but ``times`` times: so often an owner may have been replaced."""
        for order_id, effects in self.vendor.by_order().items():
            ranks = [RANKS[what] for what in effects]
            back = sum(1 for before, after in pairwise(ranks) if after < before)
            assert back <= times, (order_id, effects)

    def assert_no_status_before_its_create(self) -> None:
        seen: set[str] = set()
        for effect in self.vendor.effects:
            if RANKS[effect.what] == 0:
                seen.add(effect.order_id)
            else:
                assert effect.order_id in seen, effect

    def assert_committed_to_the_end(self) -> None:
        committed, ends = self.kafka.committed(), self.kafka.ends()
        assert {at: committed.get(at) for at in ends if ends[at]} == {at: end for at, end in ends.items() if end}


@contextmanager
def open_rig(kafka: KafkaSide, folder: Path, **settings: str) -> Iterator[Rig]:
    """Everything that one test needs, ended with it; its topics must exist."""
    with ExitStack() as ends:
        ends.callback(kafka.close)
        vendors = [Vendor(side.vendor) for side in (kafka, kafka.beside) if side is not None]
        for vendor in vendors:
            ends.callback(vendor.stop)
        variables = {name: value for vendor in vendors for name, value in vendor.variables.items()}
        kafka.write_config(folder)
        processes = Processes(kafka.bootstrap, folder, variables, withheld=("ECDP_API_KEY",))
        ends.callback(processes.close)
        yield Rig(kafka, vendors[0], processes, dict(settings), vendors[1] if kafka.beside else None)


def fresh(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:6]}"


def order_ids(count: int, stem: str = "o") -> list[str]:
    return [f"{stem}{number:05}" for number in range(count)]


def story(ids: Iterable[str], *states: str) -> dict[str, list[str]]:
    """What the vendor should have of each: its create, then these."""
    return {order_id: ["add", *states] for order_id in ids}
