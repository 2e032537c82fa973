"""All of the configuration in one reading: settings, topics.yaml and the vendors' variables, with all their faults."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import httpx

from workers.app.config.credentials import VendorCredentials, load_credentials
from workers.app.config.errors import ConfigError, Fault, did_you_mean
from workers.app.config.settings import Settings, read_settings
from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.config.topics_yaml import read_config
from workers.edges.proxies import ProxyError, proxy_for
from workers.vendors.contract import load


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a command knows before it connects to anything."""

    settings: Settings
    config: Config
    credentials: Mapping[str, VendorCredentials]  # by worker's name; only of the workers asked for


@dataclass(frozen=True, slots=True)
class UnreadSet:
    """A set in topics.yaml that is not read."""

    name: str
    why: str
    variable: str = ""  # the full name of the one that is not set, without which the vendor refuses the list

    def __str__(self) -> str:
        return f"the set '{self.name}' is not read: {self.why}"


def unread_sets(spec: PollerSpec, credentials: VendorCredentials) -> list[UnreadSet]:
    """Those of the poller's sets that need a variable which is not set."""
    refused = load(spec.vendor).refused_sets(spec.sets, credentials)
    needed = {one.name: credentials.names.full(one.needs) for one in refused if one.needs}
    return [UnreadSet(name, f"{variable} is not set", variable) for name, variable in needed.items()]


def load_configuration(environ: Mapping[str, str], names: Iterable[str] | None = ()) -> Configuration:
    """Read everything that the workers ``names`` need (None: all); raises `ConfigError` with every fault in it."""
    settings, faults = read_settings(environ)
    config, config_faults = read_config(settings.config_path, environ, replication_factor=settings.replication_factor)
    faults += config_faults
    if config is None:
        raise ConfigError(faults)
    credentials = {}
    for worker in _named(config, names, faults):
        try:
            vendor, allow_http = load(worker.vendor), settings.allow_http_vendors
            credentials[worker.name] = load_credentials(vendor, worker.credentials, environ, allow_http=allow_http)
        except ConfigError as error:
            faults += error.faults
        else:
            faults += _set_faults(worker, credentials[worker.name])
    registry = [] if settings.registry is None else [settings.registry.url]
    faults += _proxy_faults(environ, [*(one["BASE_URL"] for one in credentials.values()), *registry])
    if faults:
        raise ConfigError(faults)
    return Configuration(settings, config, credentials)


def _set_faults(worker: SinkSpec | PollerSpec, credentials: VendorCredentials) -> Iterator[Fault]:
    """A poller that could read no set at all would do nothing."""
    if isinstance(worker, PollerSpec) and len(unread := unread_sets(worker, credentials)) == len(worker.sets):
        yield from (Fault(one.variable, f"{one}; {worker.name} has no other set to read") for one in unread)


def _proxy_faults(environ: Mapping[str, str], addresses: Iterable[str]) -> Iterable[Fault]:
    for address in addresses:
        try:
            proxy_for(httpx.URL(address), environ)
        except ProxyError as error:
            yield Fault(error.variable, str(error))


def unknown_worker(config: Config, name: str, known: Iterable[str]) -> Fault:
    """The fault of a worker's name that is not among the ``known``."""
    return Fault(str(config.file), f"no worker '{name}' in it{did_you_mean(name, known)}")


def _named(config: Config, names: Iterable[str] | None, faults: list[Fault]) -> list[SinkSpec | PollerSpec]:
    workers = config.workers
    if names is None:
        return list(workers.values())
    wanted = list(dict.fromkeys(names))
    faults += [unknown_worker(config, name, workers) for name in wanted if name not in workers]
    return [workers[name] for name in wanted if name in workers]
