"""All of the configuration in one reading: settings, topology and the vendors' variables, with all their faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.app.config.credentials import VendorCredentials, load_credentials
from workers.app.config.errors import ConfigError, Fault, did_you_mean
from workers.app.config.settings import Settings, read_settings
from workers.app.config.topology import PollerSpec, SinkSpec, Topology
from workers.app.config.topology_load import read_topology
from workers.app.config.variables import read_variable
from workers.vendors.contract import load


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a command knows before it reaches out."""

    settings: Settings
    topology: Topology
    credentials: Mapping[str, VendorCredentials]  # by worker's name; only of the workers asked for


def load_configuration(environ: Mapping[str, str], names: Iterable[str] | None = ()) -> Configuration:
    """Read everything that the workers ``names`` need (None: all); raises `ConfigError` with every fault in it."""
    settings, faults = read_settings(environ)
    topology, topology_faults = read_topology(
        settings.topology_path if settings else _topology_path(environ),
        environ,
        replication_factor=settings.replication_factor if settings else None,
    )
    faults += topology_faults
    credentials = _credentials(environ, _named(topology, names, faults), faults)
    if faults or settings is None or topology is None:
        raise ConfigError(faults)
    return Configuration(settings, topology, credentials)


def sink_named(configuration: Configuration, name: str) -> SinkSpec:
    """The sink of that name; raises `ConfigError`."""
    topology = configuration.topology
    if name not in topology.sinks:
        raise ConfigError([_unknown(topology, name, topology.sinks)])
    return topology.sinks[name]


def _unknown(topology: Topology, name: str, known: Iterable[str]) -> Fault:
    return Fault(str(topology.file), f"no worker '{name}' in it{did_you_mean(name, known)}")


def _topology_path(environ: Mapping[str, str]) -> Path:
    try:
        return Path(read_variable(environ, "RELAY_TOPOLOGY") or "topics.yaml")
    except ConfigError:
        return Path("topics.yaml")  # named among the settings' faults already


def _named(topology: Topology | None, names: Iterable[str] | None, faults: list[Fault]) -> list[SinkSpec | PollerSpec]:
    workers = {name: topology.spec(name) for name in topology.names} if topology else {}
    if names is None:
        return list(workers.values())
    found = []
    for name in dict.fromkeys(names):
        if name in workers:
            found.append(workers[name])
        elif topology is not None:
            faults.append(_unknown(topology, name, workers))
    return found


def _credentials(
    environ: Mapping[str, str], workers: Iterable[SinkSpec | PollerSpec], faults: list[Fault]
) -> dict[str, VendorCredentials]:
    allow_http = environ.get("RELAY_ALLOW_HTTP_VENDORS", "").lower() in {"1", "true", "yes", "on", "t", "y"}
    credentials: dict[str, VendorCredentials] = {}
    for worker in workers:
        try:
            vendor = load(worker.vendor)
            credentials[worker.name] = load_credentials(vendor, worker.credentials, environ, allow_http=allow_http)
        except ConfigError as error:
            faults += error.faults
    return credentials
