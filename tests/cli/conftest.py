"""A project of its own on the real broker: topics.yaml with fresh names, schemas beside it."""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ecdp_only import ECDP_ONLY
from tests.support.relay_process import Ran
from workers.cli.commands import run
from workers.devkit.broker.broker import Broker

ROOT = Path(__file__).parents[2]
PARTITIONS = 3


@dataclass(frozen=True)
class Project:
    """A config whose topics nobody else uses."""

    folder: Path
    created: str
    status: str
    parked: str
    receipts: str

    @property
    def file(self) -> Path:
        return self.folder / "topics.yaml"

    def edit(self, was: str, becomes: str) -> None:
        text = self.file.read_text()
        assert was in text
        self.file.write_text(text.replace(was, becomes))


Relay = Callable[..., Ran]


@pytest.fixture
def relay(capfdbinary: pytest.CaptureFixture[bytes]) -> Relay:
    """``relay("topics", "plan")`` runs a command line in this process."""

    def ran(*arguments: str) -> Ran:
        capfdbinary.readouterr()
        status = run(list(arguments))
        captured = capfdbinary.readouterr()
        return Ran(status, captured.out.decode(), captured.err.decode())

    return ran


@pytest.fixture
def project(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Project:
    mark = uuid.uuid4().hex[:8]
    made = Project(tmp_path, f"order-created-{mark}", f"order-status-{mark}", f"ecdp-{mark}", f"receipts-{mark}")
    text = ECDP_ONLY
    for was, becomes in (
        ("order-created", made.created),
        ("order-status", made.status),
        ("ecdp-parked", made.parked),
        ("ecdp-receipts", made.receipts),
        ("ecdp-sink", f"sink-{mark}"),
        ("partitions: 12", f"partitions: {PARTITIONS}"),
    ):
        text = text.replace(was, becomes)
    made.file.write_text(text)
    _copy_schemas(made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap)
    monkeypatch.setenv("RELAY_REPLICATION_FACTOR", "1")
    return made


def _copy_schemas(made: Project) -> None:
    for was, name in (("order-created", made.created), ("order-status", made.status), ("ecdp-receipts", made.receipts)):
        history = made.folder / "schemas/history" / name
        shutil.copytree(ROOT / "schemas/history" / was, history)
        shutil.copy(ROOT / f"schemas/{was}.avsc", made.folder / f"schemas/{name}.avsc")
