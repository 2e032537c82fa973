"""Apache Kafka's jars and a formatted data folder, once per user and version.

Both come from their makers: the jars by Maven, the folder by Kafka's own
StorageTool. They are made in a temporary folder and renamed into place, so
that a reader sees all or nothing, and of two that race the second discards
its own work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

KAFKA_VERSION = "4.3.0"
NODE_ID = 1
_CLUSTER_ID = "b3JkZXItcmVsYXktZGV2aw"  # 16 bytes, base64: Kafka refuses anything else
_OR_YOURS = (
    "or give another Kafka, such as docker run -d -p 9092:9092 apache/kafka:"
    f"{KAFKA_VERSION}, by KAFKA_BOOTSTRAP_SERVERS=localhost:9092 RELAY_REPLICATION_FACTOR=1"
)

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>orderrelay</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <!-- without a binding Kafka would log nothing -->
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""
_FORMAT = f"""\
process.roles=broker,controller
node.id={NODE_ID}
controller.quorum.voters={NODE_ID}@127.0.0.1:1
listeners=BROKER://127.0.0.1:0,CONTROLLER://127.0.0.1:1
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=formatted
"""


class BrokerError(RuntimeError):
    """The broker could not be had; the message is one line that says what to do."""


class ToolMissingError(BrokerError):
    """Java or Maven is not installed."""


def java() -> str:
    """Return the path of ``java``; raises `ToolMissingError`."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    if path := found or shutil.which("java"):
        return path
    raise ToolMissingError(f"Kafka needs Java 17: apt-get install default-jre-headless maven, {_OR_YOURS}")


def installed(tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder that holds ``libs/`` and ``formatted/``, made now if need be; raises `BrokerError`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "order-relay"
    home = cache / f"kafka-{KAFKA_VERSION}"
    if home.is_dir():
        return home
    if not shutil.which("mvn"):
        raise ToolMissingError(f"Maven fetches Kafka: apt-get install maven, {_OR_YOURS}")
    tell(f"fetching Apache Kafka {KAFKA_VERSION} by Maven, once, into {home}")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache) as made:
        _fetch(Path(made))
        _format(Path(made))
        publish(Path(made), home)
    return home


def _fetch(made: Path) -> None:
    (made / "pom.xml").write_text(_POM)
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"]
    _run(["mvn", "-q", "-B", *copy], made, "Maven could not fetch Kafka")


def _format(made: Path) -> None:
    (made / "format.properties").write_text(_FORMAT)
    tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", "format.properties"]
    _run([java(), "-cp", "libs/*", *tool], made, "Kafka could not format its data folder")


def _run(command: list[str], folder: Path, failure: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        first = next((line for line in said if "ERROR" in line), said[-1] if said else "no output")
        raise BrokerError(f"{failure}: {first[:300]}; is the package registry reachable? Try again, {_OR_YOURS}")


def publish(made: Path, home: Path) -> None:
    """Move what is made to ``home`` in one step; if another process was faster, its work stands."""
    whole = made / "whole"
    whole.mkdir()
    for part in ("libs", "formatted"):
        (made / part).rename(whole / part)
    try:
        whole.rename(home)
    except OSError:
        if not home.is_dir():  # not the race: the disk
            raise
