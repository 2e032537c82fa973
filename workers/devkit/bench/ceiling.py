"""The transport alone: prebuilt requests through the worker's own VendorClient, without Kafka or a worker.

``python -m workers.devkit.bench.ceiling BASE_URL API_KEY IN_FLIGHT`` sends until it is ended.
"""

from __future__ import annotations

import asyncio
import sys

import httpx
import uvloop

from workers.app.runtime.process import collect_seldom
from workers.edges.http.client import VendorClient, open_client
from workers.edges.http.transport import TransportPolicy
from workers.vendors.contract import Flow
from workers.vendors.ecdp.requests import EcdpRequests, ecdp_requests

_BODY = b'{"orderId":"SO-00000000","orderStatus":"paid","websiteId":1}'


def _one(ecdp: EcdpRequests) -> Flow[int]:
    response = yield ecdp.put(_BODY)
    return response.status_code


async def _send_on(client: VendorClient, ecdp: EcdpRequests) -> None:
    while True:
        await client.run(_one(ecdp))


async def _run(base_url: str, api_key: str, in_flight: int) -> None:
    ecdp = ecdp_requests(base_url, api_key)
    client = open_client(httpx.URL(base_url), TransportPolicy(max_in_flight=in_flight, request_timeout_s=30.0))
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(_send_on(client, ecdp))


def main() -> None:
    """Send until SIGTERM."""
    base_url, api_key, in_flight = sys.argv[1:]
    collect_seldom()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(base_url, api_key, int(in_flight)))


if __name__ == "__main__":
    main()
