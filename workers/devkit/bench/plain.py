"""The simple loop, for comparison: poll, await httpx, commit.

``python -m workers.devkit.bench.plain BOOTSTRAP BASE_URL API_KEY`` works on order-status until it is ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from time import monotonic

import httpx
from kafka import KafkaConsumer

from workers.app.config.configuration import load_configuration
from workers.app.events.schemas import read_schemas
from workers.devkit.bench.load import STATUS
from workers.edges.avro.codec import Codec


async def _run(bootstrap: str, base_url: str, api_key: str) -> None:
    codec = Codec(read_schemas(load_configuration(os.environ).config), monotonic)
    consumer = KafkaConsumer(
        STATUS,
        bootstrap_servers=bootstrap,
        group_id=f"plain-{os.getpid()}",  # a former run's member counts for 45 s more
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with httpx.AsyncClient(headers={"x-api-key": api_key}, trust_env=False) as client:
        while True:
            for records in consumer.poll(timeout_ms=500, max_records=100).values():
                for record in records:
                    event = codec.decode_any(STATUS, record.value)
                    body = {"orderId": event["order_id"], "orderStatus": event["status"]}
                    response = await client.put(f"{base_url}/orders/status", json=body)
                    response.raise_for_status()
            consumer.commit()


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
