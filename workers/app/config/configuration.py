"""All of the configuration in one reading: settings, topics.yaml and the vendors' variables, with all their faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from workers.app.config.credentials import VendorCredentials, load_credentials
from workers.app.config.errors import ConfigError, Fault, did_you_mean
from workers.app.config.settings import Settings, read_settings
from workers.app.config.topics_yaml import read_topology
from workers.app.config.topology import PollerSpec, SinkSpec, Topology
from workers.edges.http.proxies import ProxyError, proxy_for
from workers.vendors.contract import load


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a command knows before it connects to anything."""

    settings: Settings
    topology: Topology
    credentials: Mapping[str, VendorCredentials]  # by worker's name; only of the workers asked for


def load_configuration(environ: Mapping[str, str], names: Iterable[str] | None = ()) -> Configuration:
    """Read everything that the workers ``names`` need (None: all); raises `ConfigError` with every fault in it."""
    settings, faults = read_settings(environ)
    topology, topology_faults = read_topology(
        settings.topology_path, environ, replication_factor=settings.replication_factor
    )
    faults += topology_faults
    if topology is None:
        raise ConfigError(faults)
    credentials = {}
    for worker in _named(topology, names, faults):
        try:
            credentials[worker.name] = load_credentials(
                load(worker.vendor), worker.credentials, environ, allow_http=settings.allow_http_vendors
            )
        except ConfigError as error:
            faults += error.faults
    faults += _proxy_faults(environ, credentials.values())
    if faults:
        raise ConfigError(faults)
    return Configuration(settings, topology, credentials)


def _proxy_faults(environ: Mapping[str, str], credentials: Iterable[VendorCredentials]) -> Iterable[Fault]:
    for one in credentials:
        try:
            proxy_for(httpx.URL(one["BASE_URL"]), environ)
        except ProxyError as error:
            yield Fault(error.variable, str(error))


def sink_named(configuration: Configuration, name: str) -> SinkSpec:
    """The sink of that name; raises `ConfigError`."""
    sinks = configuration.topology.sinks
    if name not in sinks:
        raise ConfigError([_unknown(configuration.topology, name, sinks)])
    return sinks[name]


def _unknown(topology: Topology, name: str, known: Iterable[str]) -> Fault:
    return Fault(str(topology.file), f"no worker '{name}' in it{did_you_mean(name, known)}")


def _named(topology: Topology, names: Iterable[str] | None, faults: list[Fault]) -> list[SinkSpec | PollerSpec]:
    workers = topology.workers
    if names is None:
        return list(workers.values())
    wanted = list(dict.fromkeys(names))
    faults += [_unknown(topology, name, workers) for name in wanted if name not in workers]
    return [workers[name] for name in wanted if name in workers]
