"""What must hold between settings, beyond each one's own form."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from workers.app.config.errors import Fault, nearest
from workers.app.config.urls import url_fault
from workers.app.config.variables import FILE, text_fault

_SERVER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^:\s,\[\]]+):(\d{1,5})")
_OURS = ("RELAY_", "KAFKA_", "SCHEMA_REGISTRY_")
LAST_PORT = 65535
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def servers(text: str) -> tuple[str, ...]:
    """``HOST:PORT,HOST:PORT`` apart."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def kafka_faults(values: Mapping[str, str]) -> Iterator[Fault]:
    """What stops a connection to Kafka, or would make it less safe than its settings look."""
    yield from _server_faults(values.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    protocol = values.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    if protocol not in PROTOCOLS:
        return  # named already; what goes with it cannot be known
    yield from _sasl_faults(values, protocol)
    yield from _tls_faults(values, protocol)


def _server_faults(text: str) -> Iterator[Fault]:
    found = [_SERVER.fullmatch(server) for server in servers(text)]
    if not found or not all(match and 0 < int(match[2]) <= LAST_PORT for match in found):
        yield Fault("KAFKA_BOOTSTRAP_SERVERS", "HOST:PORT is wanted, more of them with commas between")


def _sasl_faults(values: Mapping[str, str], protocol: str) -> Iterator[Fault]:
    for name in ("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
        if protocol.startswith("SASL_") and name not in values:
            yield Fault(name, f"needed with KAFKA_SECURITY_PROTOCOL={protocol}, and not empty")
        elif name in values and not protocol.startswith("SASL_"):
            yield Fault(name, "has no effect without KAFKA_SECURITY_PROTOCOL=SASL_SSL or SASL_PLAINTEXT; set that too")
        elif name in values:
            fault = text_fault(name, values[name])
            if fault:
                yield fault


def _tls_faults(values: Mapping[str, str], protocol: str) -> Iterator[Fault]:
    for name in ("KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE"):
        if name not in values:
            continue
        if not protocol.endswith("SSL"):
            yield Fault(name, "has no effect without KAFKA_SECURITY_PROTOCOL=SSL (or SASL_SSL); set that too")
        elif not os.access(values[name], os.R_OK) or not Path(values[name]).is_file():
            yield Fault(name, "the path of a readable PEM file is wanted")
    if "KAFKA_SSL_KEYFILE" in values and "KAFKA_SSL_CERTFILE" not in values:
        yield Fault("KAFKA_SSL_CERTFILE", "needed beside KAFKA_SSL_KEYFILE")


def registry_faults(values: Mapping[str, str]) -> Iterator[Fault]:
    """What is wrong with the schema registry's address and its user."""
    url, user, password = (values.get(f"SCHEMA_REGISTRY_{name}") for name in ("URL", "USERNAME", "PASSWORD"))
    if url is None and (user or password):
        yield Fault("SCHEMA_REGISTRY_URL", "needed beside SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD")
    if url is not None:
        fault = url_fault("SCHEMA_REGISTRY_URL", url, allow_http=True)
        if fault:
            yield fault
    if (user is None) != (password is None):
        missing = "SCHEMA_REGISTRY_USERNAME" if user is None else "SCHEMA_REGISTRY_PASSWORD"
        yield Fault(missing, "give user and password together, or neither")


def misspelt(environ: Mapping[str, str], known: frozenset[str]) -> Iterator[Fault]:
    """Variables that look like ours and are not: their value would silently not count.

    Only near misses: a platform may set others under our prefixes (Kubernetes
    does, for a service of the name ``relay`` or ``kafka``).
    """
    names = known | {name + FILE for name in known}
    for name in sorted(set(environ) - names):
        if not name.startswith(_OURS) or name.startswith("RELAY__"):
            continue
        close = nearest(name, names, cutoff=0.88)
        if close is not None:
            yield Fault(name, f"unknown variable; did you mean '{close}'?")
