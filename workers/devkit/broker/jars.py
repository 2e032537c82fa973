"""Apache Kafka's jars, by name and hash in ``jars.lock``.

``python -m workers.devkit.broker.jars`` writes that file, after a change of `KAFKA_VERSION`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workers.devkit.broker.errors import BrokerError, needs_extra

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

KAFKA_VERSION: Final = "4.3.0"
LOCK: Final = Path(__file__).with_name("jars.lock")
_ROOTS: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",  # without a binding Kafka would log nothing
)
_AT_ONCE: Final = 8  # downloads
_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    coordinate: str  # group:artifact:version
    sha256: str


def locked_jars() -> list[Jar]:
    """Read ``jars.lock``."""
    lines = LOCK.read_text(encoding="ascii").splitlines()
    return [Jar(*line.split(" --hash=sha256:")) for line in lines]


def fetch(jars: Iterable[Jar], folder: Path) -> None:
    """Copy each jar into ``folder``, from the local Maven repository or else from Maven Central; raises `BrokerError`.

    jgo downloads what is missing. Its settings are the user's: ``JGO_CONFIG_FILE`` or ``~/.config/jgo.conf`` may name
    a mirror (``[repositories]``, ``central = URL``), ``M2_REPO`` the local Maven repository.
    """
    context = _maven()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for jar in pool.map(lambda jar: _checked(context, jar), jars):
            shutil.copy(jar, folder)


def _maven() -> MavenContext:
    with needs_extra():
        from jgo.config import GlobalSettings  # noqa: PLC0415 - not installed in production
        from jgo.maven import MavenContext  # noqa: PLC0415

    user = GlobalSettings.load()
    context = MavenContext(repo_cache=user.repo_cache, timeout=_TIMEOUT_S)
    context.remote_repos.update(user.repositories)
    return context


def _checked(context: MavenContext, jar: Jar) -> Path:
    """Return the jar's path in the local Maven repository; a damaged one is fetched again."""
    artifact = context.create_dependency(jar.coordinate).artifact
    path = _path(artifact)
    if _hash(path) != jar.sha256:
        path.unlink()  # an interrupted download, for instance
        path = _path(artifact)
    if _hash(path) != jar.sha256:
        path.unlink()
        raise BrokerError(f"{jar.coordinate} from Maven is not the file whose hash is in {LOCK.name}")
    return path


def _path(artifact: Artifact) -> Path:
    try:
        return artifact.resolve()
    except (OSError, RuntimeError) as error:  # of requests, and of jgo
        said = " ".join(str(error).split())[:300]
        raise BrokerError(
            f"Kafka's jars could not be fetched: {said}; is Maven Central reachable (a mirror: CONTRIBUTING.md)?"
        ) from error


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _resolved() -> Iterator[Jar]:
    """The roots, and what they need."""
    context = _maven()
    direct, further = context.resolver.resolve([context.create_dependency(root) for root in _ROOTS])
    for dependency in (*direct, *further):
        artifact = dependency.artifact
        coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        yield Jar(coordinate, _hash(_path(artifact)))


def main() -> None:
    """Write the lock."""
    jars = sorted(_resolved(), key=lambda jar: jar.coordinate)
    LOCK.write_text("".join(f"{jar.coordinate} --hash=sha256:{jar.sha256}\n" for jar in jars), encoding="ascii")


if __name__ == "__main__":
    main()
