"""Opens a client of Kafka that will fail, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping

from workers.edges.kafka.client_patches.connections import STOP_AFTER_S

TIMEOUT_S = 1.5
OPEN = """
import json, sys, threading
from kafka import KafkaAdminClient
from workers.edges.kafka.client import KafkaConnection, admin_options, open_client
from workers.edges.kafka.reach.causes import Unreachable

def open_one(given):
    options = admin_options(KafkaConnection(**given)) | {"bootstrap_timeout_ms": TIMEOUT_MS}
    try:
        open_client(KafkaAdminClient, options, Waiting())
    except Unreachable as error:
        print(json.dumps(["ends", str(error)]), flush=True)

class Waiting:
    def waits(self, servers, cause):
        print(json.dumps(["waits", cause.what]), flush=True)

open_one(json.loads(sys.argv[1]))
print(json.dumps(["threads", threading.active_count()]), flush=True)
import os; os._exit(0)
"""


def opened(address: str, **given: str | None) -> dict[str, object]:
    """What opening a client says, in a process of its own: kafka-python leaves refused sockets to the garbage."""
    return opened_within(TIMEOUT_S, address, given)


def opened_within(within_s: float, address: str, given: Mapping[str, str | None]) -> dict[str, object]:
    code = OPEN.replace("TIMEOUT_MS", str(round(within_s * 1000)))
    ran = subprocess.run(
        [sys.executable, "-c", code, json.dumps({"bootstrap": [address], **given})],
        capture_output=True,
        text=True,
        check=True,
        timeout=30 + within_s + STOP_AFTER_S,
    )
    return dict(json.loads(line) for line in ran.stdout.splitlines())
