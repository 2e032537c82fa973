"""What every test may ask for: a clean environment, a real broker, fresh topics."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from workers.devkit.broker.broker import Broker

Topics: TypeAlias = Callable[..., str]


def pytest_configure(config: pytest.Config) -> None:
    """kafka-python reads its own schemas in a way that Python 3.11 and 3.12 call deprecated (3.13 does not)."""
    config.addinivalue_line("filterwarnings", "ignore:(open|read)_text is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test."""
    for name in [name for name in os.environ if name.startswith(("RELAY_", "KAFKA_", "SCHEMA_REGISTRY_", "OTEL_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """One real Kafka for the whole run of a pytest process: start your own for faults of the broker."""
    running = start_broker()
    yield running
    failed = request.session.testsfailed > 0
    running.stop(keep=failed)
    if failed:
        tell(request.config, f"Kafka's log: {running.log}")


def tell(config: pytest.Config, said: str) -> None:
    """Say it on the terminal; one of several pytest processes leaves that to the first."""
    if hasattr(config, "workeroutput"):
        config.workeroutput["said"] = said
    else:
        config.get_terminal_writer().line(f"\n{said}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A pytest process beside this one has ended."""
    said = getattr(node, "workeroutput", {}).get("said")
    if said:
        tell(node.config, said)


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A Kafka of the test's own, to kill, restart and pause."""
    with start_broker() as running:
        yield running


@pytest.fixture
def topics(broker: Broker) -> Topics:
    """``topics("orders")`` is a fresh name; with ``partitions`` the topic is created too."""

    def fresh(stem: str = "orders", partitions: int = 0, config: dict[str, object] | None = None) -> str:
        name = f"{stem}-{uuid.uuid4().hex[:8]}"
        if partitions:
            broker.create_topic(name, partitions, config)
        return name

    return fresh


def start_broker() -> Broker:
    """Without Java or Maven: skipped at home, a failure in CI."""
    from workers.devkit.broker.broker import Broker, ToolMissingError  # noqa: PLC0415 - imports kafka: after pytest_configure

    try:
        return Broker.start()
    except ToolMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
