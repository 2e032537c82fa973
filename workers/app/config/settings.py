"""The environment as frozen settings: every variable checked, all faults at once, no secret in any message."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from workers.app.config.credentials import mounted
from workers.app.config.errors import ConfigError, Fault
from workers.app.config.settings_checks import LAST_PORT, kafka_faults, misspelt, registry_faults, servers
from workers.app.config.topology_values import Count
from workers.app.config.variables import read_variable
from workers.edges.kafka.client import KafkaConnection

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where the health and metrics server of a worker listens."""

    host: str
    port: int  # 0: any free one


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """A registry with Confluent's API."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says about this process; vendors' variables are `VendorCredentials`."""

    kafka: KafkaConnection
    registry: RegistrySettings | None
    topology_path: Path
    http: HttpAddress | None  # None: off
    replication_factor: int | None  # overrides every topic's
    instance_id: str
    log_level: LogLevel
    log_format: Literal["json", "text"]
    allow_http_vendors: bool


class Variables(BaseSettings):
    """One field for each variable, by its name in small letters."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    kafka_bootstrap_servers: Annotated[str, Field(min_length=1)] = "localhost:9092"
    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = Field(default=None, repr=False)
    kafka_ssl_cafile: str | None = None
    kafka_ssl_certfile: str | None = None
    kafka_ssl_keyfile: str | None = None
    schema_registry_url: str | None = None
    schema_registry_username: str | None = None
    schema_registry_password: str | None = Field(default=None, repr=False)
    relay_topology: Path = Path("topics.yaml")
    relay_http_addr: Annotated[str, Field(pattern=r"^(off|(\[[0-9A-Fa-f:]+\]|[^:\s]+):\d{1,5})$")] = "127.0.0.1:8080"
    relay_replication_factor: Count | None = None
    relay_instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = Field(
        default_factory=socket.gethostname
    )
    relay_log_level: LogLevel = "info"
    relay_log_format: Literal["json", "text"] = "json"
    relay_allow_http_vendors: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class asks for all of them
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what `load_settings` was given, never the process's own environment behind its back."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from ``environ``; raises `ConfigError` with every fault in it."""
    settings, faults = read_settings(environ)
    if settings is None:
        raise ConfigError(faults)
    return settings


def read_settings(environ: Mapping[str, str]) -> tuple[Settings | None, list[Fault]]:
    """Settings, or None and the faults: for `relay check`, which goes on to the rest of the configuration."""
    texts, faults = _texts(environ)
    variables: Variables | None = None
    try:
        variables = Variables.model_validate({name.lower(): text for name, text in texts.items()})
    except ValidationError as error:
        faults += _faults(error)
    faults += [*kafka_faults(texts), *registry_faults(texts), *misspelt(environ, VARIABLES)]
    faults += _http_faults(texts)
    if variables is None or faults:
        return None, faults
    return _settings(variables, environ), []


VARIABLES = frozenset(name.upper() for name in Variables.model_fields)


def _texts(environ: Mapping[str, str]) -> tuple[dict[str, str], list[Fault]]:
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for name in sorted(VARIABLES):
        try:
            text = read_variable(environ, name)
        except ConfigError as error:
            faults += error.faults
        else:
            if text is not None:
                texts[name] = text
    return texts, faults


_WANTED = {
    "relay_http_addr": "HOST:PORT is wanted, or 'off'",
    "relay_replication_factor": "a whole number above 0 is wanted",
    "relay_instance_id": "at most 200 letters, digits, '.', '_', '-' are wanted: it names this process in its groups",
    "relay_allow_http_vendors": "1 or 0 is wanted",
}


def _faults(error: ValidationError) -> list[Fault]:
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        expected = detail.get("ctx", {}).get("expected")
        found.append(Fault(name.upper(), f"{expected} is wanted" if expected else _WANTED.get(name, detail["msg"])))
    return found


def _http_faults(texts: Mapping[str, str]) -> list[Fault]:
    port = texts.get("RELAY_HTTP_ADDR", "").rpartition(":")[2]
    if port.isdecimal() and int(port) > LAST_PORT:
        return [Fault("RELAY_HTTP_ADDR", f"a port up to {LAST_PORT} is wanted")]
    return []


def _settings(found: Variables, environ: Mapping[str, str]) -> Settings:
    return Settings(
        kafka=_kafka(found, environ),
        registry=_registry(found),
        topology_path=found.relay_topology,
        http=_http(found.relay_http_addr),
        replication_factor=found.relay_replication_factor,
        instance_id=found.relay_instance_id,
        log_level=found.relay_log_level,
        log_format=found.relay_log_format,
        allow_http_vendors=found.relay_allow_http_vendors,
    )


def _kafka(found: Variables, environ: Mapping[str, str]) -> KafkaConnection:
    return KafkaConnection(
        bootstrap=servers(found.kafka_bootstrap_servers),
        protocol=found.kafka_security_protocol,
        mechanism=found.kafka_sasl_mechanism,
        username=found.kafka_sasl_username,
        password=mounted("KAFKA_SASL_PASSWORD", found.kafka_sasl_password, environ),
        cafile=found.kafka_ssl_cafile,
        certfile=found.kafka_ssl_certfile,
        keyfile=found.kafka_ssl_keyfile,
    )


def _registry(found: Variables) -> RegistrySettings | None:
    if found.schema_registry_url is None:
        return None
    return RegistrySettings(found.schema_registry_url, found.schema_registry_username, found.schema_registry_password)


def _http(address: str) -> HttpAddress | None:
    if address == "off":
        return None
    host, _, port = address.rpartition(":")
    return HttpAddress(host.strip("[]"), int(port))
