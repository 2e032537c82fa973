"""A simulated E2CC: the portal's books with access keys, one queue, and all that its page leaves open as knobs."""

from __future__ import annotations

import time
from typing import Final, TypeAlias

from workers.devkit.simulators import SECRET, PollerSide, SimulatorOptions
from workers.devkit.simulators.e2cc.access_keys import AccessKey, AccessKeys
from workers.devkit.simulators.e2cc.books import Books
from workers.devkit.simulators.e2cc.ledger import CHANGES, PATH, E2ccLedger
from workers.devkit.simulators.e2cc.queue import RequestQueue
from workers.devkit.simulators.server import Simulated

FIRST_ORDERS: Final = 40  # when it starts
FIRST_ITEMS: Final = 20
MOST_FIRST_NUMBERS: Final = 900_000

E2ccSimulator: TypeAlias = Simulated[E2ccLedger]


def simulator(options: SimulatorOptions) -> E2ccSimulator:
    """Make E2CC on loopback; its books change by themselves, and hold something when it starts."""
    started = int(time.time())  # a poller's state outlives a simulator, so each start has other order numbers
    books = Books(
        lambda: time.time_ns() // 1_000_000,
        prefix=f"PO-{started:x}-",
        first_number=started * 100 % MOST_FIRST_NUMBERS,
    )
    keys = AccessKeys(time.monotonic, [AccessKey(options.secret, "demo")])
    if CHANGES if options.faults.changes is None else options.faults.changes:
        books.fill(FIRST_ORDERS, FIRST_ITEMS)
    return Simulated(E2ccLedger(books, keys, RequestQueue(time.monotonic)), options, PATH)


POLLER_SIDE: Final = PollerSide(
    busy_faults={"changes": 3},
    stage=lambda shown: str(shown["status"]),
    event_ids=lambda _: frozenset(),
    variables={"ACCESS_KEY": SECRET},
)
