"""One Kafka for all processes of a pytest run: its start and what it does while it idles cost as much as many tests."""

import fcntl
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.devkit.broker.broker import Broker
from workers.devkit.broker.config import Ports

FAILED = "failed"
"""The file whose presence keeps Kafka's log."""


@contextmanager
def shared_broker(folder: Path, start: Callable[[], Broker]) -> Iterator[Broker]:
    """The Kafka of the whole run, whose ``folder`` this is.

    The process that needs it first starts it, and stops it when no other process uses it: each holds a shared lock.
    """
    address = folder / "address.json"
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        broker, is_ours = _opened(address, start)
        try:
            yield broker
        finally:
            if is_ours:
                fcntl.flock(users, fcntl.LOCK_EX)
                address.write_text("")  # a process that needs a Kafka only now starts its own
                broker.stop(keep=(folder / FAILED).exists())


def _opened(address: Path, start: Callable[[], Broker]) -> tuple[Broker, bool]:
    """The Kafka, and whether this process started it."""
    with address.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # one process starts it, the others wait for its address
        file.seek(0)
        if said := file.read():
            return _of_another_process(**json.loads(said)), False
        broker = start()
        file.write(json.dumps({"folder": str(broker.folder), "ports": broker.ports, "home": str(broker.home)}))
        return broker, True


def _of_another_process(folder: str, ports: list[int], home: str) -> Broker:
    """It can be used, and neither stopped nor killed."""
    none = subprocess.Popen(["true"])
    none.wait()
    return Broker(Path(folder), Ports(*ports), temporary=False, home=Path(home), process=none)
