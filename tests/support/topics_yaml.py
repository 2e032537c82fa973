"""A topics.yaml of a test's own, beside the repository's schemas: read, or refused with its faults."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from workers.app.config.errors import ConfigError, Fault
from workers.app.config.settings import Settings, read_settings
from workers.app.config.specs import Config
from workers.app.config.topics_yaml import read_config

T = TypeVar("T")
ROOT = Path(__file__).parents[2]

SINK = """version: 1
topics:
  order-created: &source
    schema: schemas/order-created.avsc
    partitions: 3
    config: {message.timestamp.type: LogAppendTime}
  order-status: {<<: *source, schema: schemas/order-status.avsc}
  ecdp-parked: {partitions: 3, config: {retention.ms: -1, max.message.bytes: 2000000}}
  ecdp-parked-state: {partitions: 3, config: {cleanup.policy: compact}}
  ecdp-receipts: {schema: schemas/ecdp-receipts.avsc, partitions: 3}
workers:
  ecdp-sink:
    vendor: ecdp
    consumes: [order-created, order-status]
"""

POLLER = """version: 1
topics:
  order-stage-changed: {schema: schemas/order-stage-changed.avsc, partitions: 3}
  dcl-poll-state: {schema: schemas/dcl-poll-state.avsc, partitions: 1, config: {cleanup.policy: compact}}
workers:
  dcl-poller:
    vendor: dcl
    publishes: [order-stage-changed]
"""

ORDER_POLLER = """version: 1
topics:
  order-stage-changed: {schema: schemas/order-stage-changed.avsc, partitions: 3}
  courier-order-event: {schema: schemas/courier-order-event.avsc, partitions: 3}
  ecourier-poll-state: {schema: schemas/ecourier-poll-state.avsc, partitions: 4, config: {cleanup.policy: compact}}
  ecourier-tracked-orders:
    {schema: schemas/ecourier-tracked-orders.avsc, partitions: 4, config: {cleanup.policy: compact}}
workers:
  ecourier-poller:
    vendor: ecourier
    publishes: [order-stage-changed, courier-order-event]
"""

SET_POLLER = """version: 1
topics:
  order-stage-changed: {schema: schemas/order-stage-changed.avsc, partitions: 3}
  invoice-changed: {schema: schemas/invoice-changed.avsc, partitions: 3}
  e2cc-poll-state: {schema: schemas/e2cc-poll-state.avsc, partitions: 1, config: {cleanup.policy: compact}}
workers:
  e2cc-poller:
    vendor: e2cc
    publishes: [order-stage-changed, invoice-changed]
    sets: {orders: {every: 1m}, shipments: {every: 1m}, invoices: {every: 5m}}
"""


def load_settings(environ: dict[str, str]) -> Settings:
    """The settings; raises `ConfigError`."""
    return _without_faults(*read_settings(environ))


def load_config(file: Path, environ: dict[str, str], factor: int | None = None) -> Config:
    """The whole of topics.yaml; raises `ConfigError`."""
    return _without_faults(*read_config(file, environ, replication_factor=factor))


def _without_faults(found: T | None, faults: list[Fault]) -> T:
    if found is None or faults:
        raise ConfigError(faults)
    return found


@dataclass(frozen=True, slots=True)
class TopicsYaml:
    """Its folder; each call writes the file."""

    folder: Path

    def load(self, text: str, environ: dict[str, str] | None = None, factor: int | None = None) -> Config:
        """Read ``text``; raises `ConfigError`."""
        shutil.copytree(ROOT / "schemas", self.folder / "schemas", dirs_exist_ok=True)
        file = self.folder / "topics.yaml"
        file.write_text(text)
        return load_config(file, environ or {}, factor)

    def faults(self, text: str, environ: dict[str, str] | None = None) -> list[str]:
        """Why ``text`` is refused: ``topics.yaml:LINE:COLUMN: MESSAGE``, or ``VARIABLE: MESSAGE``."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, environ)
        return [str(fault).replace(f"{self.folder}/", "") for fault in caught.value.faults]


def place(text: str, needle: str) -> str:
    """Where a piece of text is, as a fault names it."""
    before = text[: text.index(needle)]
    return f"topics.yaml:{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"
