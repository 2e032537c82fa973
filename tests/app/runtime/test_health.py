"""The health server over a real socket: probes, status and metrics in every state of the workers."""

import json
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

import aiohttp
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from workers.app.runtime.health import STALE_AFTER_S, HealthServer


@dataclass
class Worker:
    """A worker in a given state."""

    state: str = "running"
    kind: str = "sink"
    vendor: str = "ecdp"
    seconds: float = 0.0
    more: dict[str, Any] = field(default_factory=dict)

    def status(self) -> dict[str, Any]:
        return {"kind": self.kind, "state": self.state, "delivered_total": 7} | self.more

    def waiting(self, order_id: str | None = None) -> dict[str, Any] | None:
        return None if self.kind == "poller" else {"total": 1, "orders": [order_id]}

    def age(self) -> float:
        return self.seconds


@asynccontextmanager
async def served(**workers: Worker) -> AsyncIterator[str]:
    server = HealthServer(workers, version="1.2.3", instance="one")
    host, port = await server.start("127.0.0.1", 0)
    try:
        yield f"http://{host}:{port}"
    finally:
        await server.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_every_address_is_listened_on_with_one_port(host: str) -> None:
    """A kubelet probes the pod's address, which may be of either family."""
    server = HealthServer({"a": Worker()}, version="1.2.3", instance="one")
    _, port = await server.start("*", 0)
    try:
        assert (await get(f"http://{host}:{port}/livez"))[0] == 200
    finally:
        await server.stop()


async def get(url: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


@pytest.mark.parametrize(
    ("state", "startup", "ready"), [("starting", 503, 503), ("running", 200, 200), ("draining", 200, 503)]
)
async def test_startupz_and_readyz_follow_the_state_of_the_workers(state: str, startup: int, ready: int) -> None:
    async with served(a=Worker(), b=Worker(state)) as url:
        assert (await get(f"{url}/startupz"))[0] == startup
        assert (await get(f"{url}/readyz"))[0] == ready
        assert (await get(f"{url}/livez"))[0] == 200


async def test_readyz_says_which_worker_is_not_ready_and_why() -> None:
    waits = Worker("starting", more={"last_error": "no topic", "kafka": {"detail": "connection refused"}})
    async with served(a=Worker(), b=waits) as url:
        text = (await get(f"{url}/readyz"))[2]
    assert text == "not yet\nb: starting; no topic; Kafka: connection refused\n"


@pytest.mark.parametrize(("seconds", "status"), [(STALE_AFTER_S - 1, 200), (STALE_AFTER_S + 1, 503), (inf, 503)])
async def test_livez_passes_while_the_loops_of_all_workers_tick(seconds: float, status: int) -> None:
    async with served(a=Worker(), b=Worker(seconds=seconds)) as url:
        assert (await get(f"{url}/livez"))[0] == status


async def test_status_is_json_of_every_worker_with_version_and_instance() -> None:
    async with served(a=Worker(), b=Worker("draining")) as url:
        status, content_type, text = await get(f"{url}/status")
    assert (status, content_type) == (200, "application/json")
    body = json.loads(text)
    assert (body["version"], body["instance"]) == ("1.2.3", "one")
    assert {name: worker["state"] for name, worker in body["workers"].items()} == {"a": "running", "b": "draining"}


async def test_metrics_are_prometheus_text_in_every_state() -> None:
    async with served(a=Worker("starting")) as url:
        status, content_type, text = await get(f"{url}/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"relay_build_info", "relay_delivered"} <= names


async def test_other_paths_and_methods_are_refused() -> None:
    async with served() as url, aiohttp.ClientSession() as session:
        assert (await get(f"{url}/"))[0] == 404
        async with session.post(f"{url}/status") as answer:
            assert answer.status == 405


async def test_a_port_in_use_raises_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HealthServer({}, version="1", instance="one")
        with pytest.raises(OSError, match="address already in use"):
            await server.start("127.0.0.1", taken.getsockname()[1])
        await server.stop()


async def test_a_server_that_never_started_can_be_stopped() -> None:
    await HealthServer({}, version="1", instance="one").stop()


async def test_orders_that_wait_are_shown_by_sink_and_those_of_one_order_on_request() -> None:
    async with served(sink=Worker(), poller=Worker(kind="poller")) as url:
        found = json.loads((await get(f"{url}/status/waiting?order=A%201"))[2])
    assert found == {"version": "1.2.3", "instance": "one", "workers": {"sink": {"total": 1, "orders": ["A 1"]}}}


async def test_metrics_are_answered_while_a_busy_loop_does_not_get_to_the_question() -> None:
    """They are those of a moment ago; the loop waits for the client, so it cannot answer before."""
    async with served(a=Worker()) as url:
        found: list[str] = []
        asking = threading.Thread(target=lambda: found.append(httpx.get(f"{url}/metrics", trust_env=False).text))
        asking.start()
        asking.join(30.0)
    assert 'relay_delivered_total{worker="a"} 7.0' in found[0]


async def test_probes_are_answered_while_the_workers_loop_is_stuck_and_metrics_show_since_when() -> None:
    """The client is a thread, and the loop that owns the workers waits for it without a tick."""
    server = HealthServer({"a": Worker(seconds=61.0)}, version="1.2.3", instance="one", answer_within_s=0.01)
    host, port = await server.start("127.0.0.1", 0)
    found: dict[str, tuple[int, str]] = {}

    def ask() -> None:
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
            for path in ("/startupz", "/livez", "/readyz", "/metrics", "/status"):
                answer = client.get(path)
                found[path] = answer.status_code, answer.text

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(30.0)
    await server.stop()
    assert {path: status for path, (status, _) in found.items()} == {
        "/startupz": 200,
        "/livez": 503,
        "/readyz": 503,
        "/metrics": 200,
        "/status": 503,
    }
    assert found["/livez"][1] == "not yet\na: running; its loop has not moved for 61 s\n"
    assert 'relay_loop_age_seconds{worker="a"} 61.0' in found["/metrics"][1]
    assert "relay_worker_info{" in found["/metrics"][1], "its alert would say that the process is gone"
    known = {"kind": "sink", "vendor": "ecdp", "state": "running", "loop_age_seconds": 61.0}
    assert json.loads(found["/status"][1])["workers"] == {"a": known}
