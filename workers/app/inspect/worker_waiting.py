"""Asks workers for the orders that wait in them: the only thing that a command learns elsewhere than from Kafka."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from workers.app.config.settings import HttpAddress
from workers.app.runtime.listening import EVERY_ADDRESS

WITHIN_S: Final = 2.0
_ANY: Final = {EVERY_ADDRESS, "0.0.0.0", "::", ""}  # noqa: S104 - no address to listen on: one that others listen on


@dataclass(frozen=True, slots=True)
class Answer:
    """What the process at an address says."""

    address: str
    instance: str = ""
    workers: Any = None  # by name, as `workers.app.sink.waiting.waiting_status` gives it
    fault: str | None = None  # why there is no answer


def ask_workers(addresses: Iterable[str], order_id: str | None = None, *, within_s: float = WITHIN_S) -> list[Answer]:
    """Ask the process at each HOST:PORT; of one order: each of its records."""
    with httpx.Client(trust_env=False, timeout=within_s, verify=False) as client:  # noqa: S501 - http, never TLS
        return [_ask(client, address, order_id) for address in addresses]


def own_address(http: HttpAddress | None) -> str | None:
    """Where a worker with these settings answers on this host; None: nowhere."""
    if http is None or not http.port:
        return None
    host = "127.0.0.1" if http.host in _ANY else http.host
    return f"[{host}]:{http.port}" if ":" in host else f"{host}:{http.port}"


def _ask(client: httpx.Client, address: str, order_id: str | None) -> Answer:
    parameters = {} if order_id is None else {"order": order_id}
    try:
        answer = client.get(f"http://{address}/status/waiting", params=parameters)
        answer.raise_for_status()
        found = answer.json()
        return Answer(address, str(found["instance"]), dict(found["workers"]))
    except httpx.ConnectError:
        return Answer(address, fault="nothing listens there")
    except httpx.TimeoutException:
        return Answer(address, fault=f"no answer within {client.timeout.read:g} s")
    except httpx.HTTPStatusError as error:
        return Answer(address, fault=f"HTTP {error.response.status_code}; is it a worker of this release?")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return Answer(address, fault=f"no worker's answer ({type(error).__name__})")
