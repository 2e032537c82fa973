"""What every test may ask for: a clean environment, a real broker, fresh topics."""

from __future__ import annotations

import gc
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from workers.devkit.broker.broker import Broker

Topics: TypeAlias = Callable[..., str]
SLOW_MACHINE = (HealthCheck.too_slow, HealthCheck.data_too_large)  # a loaded machine is no fault of the code

# Hypothesis: a test that searches longer than others takes a multiple of its profile's examples.
settings.register_profile("quick", max_examples=50, deadline=None, suppress_health_check=SLOW_MACHINE)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "quick"))


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # until all tests are collected, which leaves nothing to free


def pytest_collection_finish() -> None:
    """Five thousand tests and the modules that they import live on to the end: no collection looks at them again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end of a run no process waits long for the last test of the other."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, item.get_closest_marker("broker") is None))


@pytest.fixture(scope="session", autouse=True)
def clean_environ() -> Iterator[None]:
    """No setting of the developer's shell reaches a test, and no certificate of the machine's.

    A TLS context reads all of them, a hundred milliseconds of processor time, and each worker makes several contexts.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        for name in [name for name in os.environ if name.startswith(("RELAY_", "KAFKA_", "SCHEMA_REGISTRY_", "OTEL_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, testrun_uid: str
) -> Iterator[Broker]:
    """One real Kafka for the whole run; tests of a failing broker take `own_broker`."""
    from tests.support.shared_broker import FAILED, shared_broker  # noqa: PLC0415 - imports kafka: most tests need none

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / f"kafka-{testrun_uid}"
    folder.mkdir(exist_ok=True)
    with shared_broker(folder, start_broker) as shared:
        yield shared
        if request.session.testsfailed:
            (folder / FAILED).touch()
            print_line(request.config, f"Kafka's log: {shared.log}")


def print_line(config: pytest.Config, line: str) -> None:
    """Print on the terminal; a pytest-xdist worker hands the line to the process that owns the terminal."""
    if hasattr(config, "workeroutput"):
        config.workeroutput["line"] = line
    else:
        config.get_terminal_writer().line(f"\n{line}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Print what a pytest-xdist worker handed over at its end."""
    line = getattr(node, "workeroutput", {}).get("line")
    if line:
        print_line(node.config, line)


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
    from workers.devkit.broker.broker import Broker  # noqa: PLC0415 - imports kafka: most tests need none

    return Broker.start()
