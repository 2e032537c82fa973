"""Asks the processes of workers for their status, or for the orders that wait in them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import httpx

from workers.app.config.settings import HttpAddress
from workers.app.runtime.listening import EVERY_ADDRESS

WITHIN_S: Final = 5.0  # longer than a process waits for its workers' loop
_ANY: Final = {EVERY_ADDRESS, "0.0.0.0", "::", ""}  # noqa: S104 - no address to listen on: one that others listen on


@dataclass(frozen=True, slots=True)
class Answer:
    """What the process at an address says."""

    address: str
    instance: str = ""
    workers: Any = None  # by name, each as it shows itself
    fault: str | None = None  # why there is no answer, or not more than which workers there are

    @property
    def fault_line(self) -> str:
        """What keeps the process from answering, and what to do, in one line."""
        is_there = "next: relay status" if self.instance else "is 'relay run' there, with this RELAY_HTTP_ADDR?"
        return f"{self.address}: {self.fault}; {is_there}"


def ask_waiting(addresses: Sequence[str], order_id: str | None = None, *, within_s: float = WITHIN_S) -> list[Answer]:
    """Which orders wait in the process at each HOST:PORT; of one order: each of its records."""
    answers = _ask_all(addresses, "/status/waiting", {} if order_id is None else {"order": order_id}, within_s)
    return [one if one.fault is None else replace(one, workers=None) for one in answers]


def ask_status(addresses: Sequence[str], *, within_s: float = WITHIN_S) -> list[Answer]:
    """How the workers at each HOST:PORT are."""
    return _ask_all(addresses, "/status", {}, within_s)


def own_address(http: HttpAddress | None) -> str | None:
    """Where a worker with these settings answers on this host; None: nowhere."""
    if http is None or not http.port:
        return None
    host = "127.0.0.1" if http.host in _ANY else http.host
    return f"[{host}]:{http.port}" if ":" in host else f"{host}:{http.port}"


def _ask_all(addresses: Sequence[str], path: str, parameters: Mapping[str, str], within_s: float) -> list[Answer]:
    """All at once: one that does not answer holds up no other."""
    with (
        httpx.Client(trust_env=False, timeout=within_s, verify=False) as client,  # noqa: S501 - http, never TLS
        ThreadPoolExecutor(max_workers=min(len(addresses), 32) or 1) as threads,
    ):
        return list(threads.map(lambda address: _ask(client, address, path, parameters), addresses))


def _ask(client: httpx.Client, address: str, path: str, parameters: Mapping[str, str]) -> Answer:
    try:
        answer = client.get(f"http://{address}{path}", params=parameters)
        if not _is_stuck(answer):
            answer.raise_for_status()
        found = answer.json()
        return Answer(address, str(found["instance"]), dict(found["workers"]), found.get("fault"))
    except httpx.ConnectError:
        return Answer(address, fault="nothing listens there")
    except httpx.TimeoutException:
        return Answer(address, fault=f"no answer within {client.timeout.read:g} s")
    except httpx.HTTPStatusError as error:
        return Answer(address, fault=f"HTTP {error.response.status_code}; is it a worker of this release?")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return Answer(address, fault=f"no worker's answer ({type(error).__name__})")


def _is_stuck(answer: httpx.Response) -> bool:
    """Whether the process answers without its workers' loop: then it says which workers it has, and their age."""
    return answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "json" in answer.headers.get("Content-Type", "")
