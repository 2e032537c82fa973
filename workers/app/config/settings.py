"""The environment as frozen settings: every variable checked, all faults at once, no secret in any message."""

import os
import re
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from workers.app.config.credentials import mounted
from workers.app.config.errors import ConfigError, Fault, message_of, nearest, reason_of, validate
from workers.app.config.values import Count, Written
from workers.app.config.variables import FILE, read_variable, text_problem, url_problem
from workers.edges.kafka.client import KafkaConnection
from workers.edges.telemetry.setup import unusable

LogLevel = Literal["debug", "info", "warning", "error"]
PREFIXES = ("RELAY_", "KAFKA_", "SCHEMA_REGISTRY_")
MAX_PORT = 65535
EVERY_ADDRESS: Final = "*"  # as a host to listen on
TRACE_ID: Final = "{trace_id}"  # in RELAY_TRACE_URL
_PORT = re.compile(r"():(\d{1,5})")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^:\s,\[\]]+):(\d{1,5})")


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
    config_path: Path
    http: HttpAddress | None  # None: off
    replication_factor: int | None  # overrides every topic's
    instance_id: str
    log_level: LogLevel
    log_format: Literal["json", "text"]
    allow_http_vendors: bool
    trace_url: str | None  # with `TRACE_ID` in it


def servers(text: str) -> str:
    found = [_SERVER.fullmatch(server) for server in _split(text)]
    if not found or not all(match and 0 < int(match[2]) <= MAX_PORT for match in found):
        raise ValueError("must be HOST:PORT, several of them with commas between")
    return text


def http_address(text: str) -> str:
    found = _SERVER.fullmatch(text) or _PORT.fullmatch(text)
    if text != "off" and (found is None or int(found[2]) > MAX_PORT):
        raise ValueError(f"must be HOST:PORT or :PORT, with a port up to {MAX_PORT}, or 'off'")
    return text


def instance_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", text):
        raise ValueError("must be at most 200 letters, digits, '.', '_', '-': it names this process in its groups")
    return text


def registry_url(text: str) -> str:
    """The address of a schema registry; raises ValueError for anything else."""
    if problem := url_problem(text, allow_http=True):
        raise ValueError(problem)
    return text


def trace_url(text: str) -> str:
    """An address that a trace's id is put into; raises ValueError for anything else."""
    if TRACE_ID not in text or urlsplit(text).scheme not in {"http", "https"} or text_problem(text):
        raise ValueError(f"must be an address with {TRACE_ID} in it, such as https://traces.example/trace/{TRACE_ID}")
    return text


def login(text: str) -> str:
    """A user or password that can be put into a header; raises ValueError for anything else."""
    if problem := text_problem(text):
        raise ValueError(problem)
    return text


def ca_file(text: str) -> str:
    """The path of a file with certificates; raises ValueError for anything else."""
    try:
        ssl.create_default_context(cafile=pem_file(text))
    except ssl.SSLError:
        raise ValueError("must hold certificates in PEM") from None
    return text


def pem_file(text: str) -> str:
    if not os.access(text, os.R_OK) or not Path(text).is_file():
        raise ValueError("must be the path of a readable PEM file")
    return text


Login = Annotated[str, AfterValidator(login), Written("text")]
PemFile = Annotated[str, AfterValidator(pem_file), Written("path")]


def _usual_log_format() -> Literal["json", "text"]:
    """People read a terminal, machines everything else."""
    return "text" if sys.stderr is not None and sys.stderr.isatty() else "json"


class Variables(BaseModel):
    """One field for each variable, by its name in small letters."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    kafka_bootstrap_servers: Annotated[str, AfterValidator(servers), Written("HOST:PORT,...")] = Field(
        "localhost:9092", description="The brokers that a client asks first; several with commas between."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Whether the connection to Kafka uses TLS (SSL) and a login (SASL)."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How a client logs in; required with SASL_PLAINTEXT and SASL_SSL."
    )
    kafka_sasl_username: Login | None = Field(None, description="Kafka's user; required with SASL.")
    kafka_sasl_password: Login | None = Field(None, repr=False, description="Its password; required with SASL. Secret.")
    kafka_ssl_cafile: PemFile | None = Field(
        None, description="The certificate authorities that may sign a broker's certificate (none: as `RELAY_CA_FILE`)."
    )
    kafka_ssl_certfile: PemFile | None = Field(None, description="The client's own certificate, for mutual TLS.")
    kafka_ssl_keyfile: PemFile | None = Field(None, description="The key of that certificate.")
    kafka_ssl_password: Login | None = Field(
        None, repr=False, description="What decrypts that key; required where the key is encrypted. Secret."
    )
    schema_registry_url: Annotated[str, AfterValidator(registry_url), Written("URL")] | None = Field(
        None, description="A registry with Confluent's API (none: Avro in single-object encoding, no registry)."
    )
    schema_registry_username: str | None = Field(None, description="The registry's user, with its password.")
    schema_registry_password: str | None = Field(None, repr=False, description="The registry's password. Secret.")
    relay_ca_file: Annotated[str, AfterValidator(ca_file), Written("path")] | None = Field(
        None,
        description="The certificate authorities, in one PEM file, that may sign the certificates of vendors, of the "
        "registry, of the collector of traces and of Kafka (none: the system's, or `SSL_CERT_FILE`'s).",
    )
    relay_topology: Path = Field(Path("topics.yaml"), description="The path of topics.yaml.")
    relay_http_addr: Annotated[str, AfterValidator(http_address), Written("HOST:PORT or off")] = Field(
        "127.0.0.1:8080",
        description="Where `/status`, `/metrics` and the health checks listen; each process of a host needs its own. "
        "`:8080` or `*:8080`: on every address, IPv4 and IPv6.",
    )
    relay_replication_factor: Count | None = Field(
        None, description="Replaces the replication factor of every topic; 1 fits a single broker."
    )
    relay_instance_id: Annotated[str, AfterValidator(instance_id), Written("name")] = Field(
        default_factory=socket.gethostname,
        description="The name of this process in its consumer groups (the host's name). Two processes that share a "
        "worker's partitions need different names; a process that returns under its name keeps its partitions.",
    )
    relay_log_level: LogLevel = Field("info", description="The least severe log lines that are written.")
    relay_log_format: Literal["json", "text"] = Field(
        default_factory=_usual_log_format,
        description="JSON lines for machines, text for people (text on a terminal, json elsewhere).",
    )
    relay_trace_url: Annotated[str, AfterValidator(trace_url), Written("URL")] | None = Field(
        None,
        description="Where traces are shown, with `{trace_id}` in it: `relay order` prints the order's address there.",
    )
    relay_allow_http_vendors: bool = Field(
        False, description="true: requests to a vendor on another machine may go over http, without TLS."
    )


VARIABLES = frozenset(name.upper() for name in Variables.model_fields)


def read_settings(environ: Mapping[str, str]) -> tuple[Settings, list[Fault]]:
    """Settings and their faults. With faults, a wrong variable has its default: good for finding more faults."""
    texts, faults = _texts(environ)
    variables, errors = validate(Variables, {name.lower(): text for name, text in texts.items()})
    assert variables is not None, "every variable has a default"
    faults += [Fault(str(error["loc"][0]).upper(), message_of(error)) for error in errors]
    faults += [*_kafka_faults(texts), *_registry_faults(texts), *_misspelt(environ)]
    faults += [Fault(one.variable, one.message) for one in unusable(environ)]
    return _settings(variables, environ), faults


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


def _kafka_faults(texts: Mapping[str, str]) -> Iterator[Fault]:
    """What stops a connection to Kafka, or would make it less safe than its variables look."""
    protocol = texts.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    if protocol not in {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}:
        return  # already a fault; what must go with it cannot be known
    for name in ("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
        if protocol.startswith("SASL_") and name not in texts:
            yield Fault(name, f"needed with KAFKA_SECURITY_PROTOCOL={protocol}, and not empty")
        elif name in texts and not protocol.startswith("SASL_"):
            yield Fault(name, "has no effect without KAFKA_SECURITY_PROTOCOL=SASL_SSL or SASL_PLAINTEXT; set that too")
    yield from _tls_faults(texts, protocol)


def _tls_faults(texts: Mapping[str, str], protocol: str) -> Iterator[Fault]:
    for name in ("KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE", "KAFKA_SSL_PASSWORD"):
        if name in texts and not protocol.endswith("SSL"):
            yield Fault(name, "has no effect without KAFKA_SECURITY_PROTOCOL=SSL (or SASL_SSL); set that too")
    if "KAFKA_SSL_KEYFILE" in texts and "KAFKA_SSL_CERTFILE" not in texts:
        yield Fault("KAFKA_SSL_CERTFILE", "needed with KAFKA_SSL_KEYFILE")
    elif Path(texts.get("KAFKA_SSL_CERTFILE", "")).is_file():
        yield from _key_faults(texts["KAFKA_SSL_CERTFILE"], texts.get("KAFKA_SSL_KEYFILE"), texts)


def _key_faults(certificate: str, key: str | None, texts: Mapping[str, str]) -> Iterator[Fault]:
    """Why the client's certificate cannot be used. The key may be in the certificate's file."""
    password, asked = texts.get("KAFKA_SSL_PASSWORD", ""), []

    def give() -> str:  # without a function OpenSSL would ask the terminal
        asked.append(True)
        return password

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, give)
    except OSError as error:  # of TLS, or of a file
        place = "KAFKA_SSL_CERTFILE" if key is None else "KAFKA_SSL_KEYFILE"
        if asked and password:
            yield Fault("KAFKA_SSL_PASSWORD", f"does not decrypt the key in {place}")
        elif asked:
            yield Fault(
                place,
                "its key is encrypted: set KAFKA_SSL_PASSWORD or KAFKA_SSL_PASSWORD_FILE, "
                "or give a key that 'openssl pkey' has decrypted",
            )
        elif key is None or Path(key).is_file():
            yield Fault(place, f"TLS cannot use it: {reason_of(error)}")


def _registry_faults(texts: Mapping[str, str]) -> Iterator[Fault]:
    url, user, password = (texts.get(f"SCHEMA_REGISTRY_{name}") for name in ("URL", "USERNAME", "PASSWORD"))
    if url is None and (user or password):
        yield Fault("SCHEMA_REGISTRY_URL", "needed with SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD")
    if (user is None) != (password is None):
        missing = "SCHEMA_REGISTRY_USERNAME" if user is None else "SCHEMA_REGISTRY_PASSWORD"
        yield Fault(missing, "give user and password together, or neither")


def _misspelt(environ: Mapping[str, str]) -> Iterator[Fault]:
    """Variables whose name is nearly one of ours: their value would silently not count.

    Only near misses: a platform may set others under our prefixes (Kubernetes
    does, for a service of the name ``relay`` or ``kafka``).
    """
    names = VARIABLES | {name + FILE for name in VARIABLES}
    for name in sorted(set(environ) - names):
        if not name.startswith(PREFIXES) or name.startswith("RELAY__"):
            continue
        close = nearest(name, names, cutoff=0.88)
        if close is not None:
            yield Fault(name, f"unknown variable; did you mean '{close}'?")


def _settings(found: Variables, environ: Mapping[str, str]) -> Settings:
    return Settings(
        kafka=_kafka(found, environ),
        registry=_registry(found),
        config_path=found.relay_topology,
        http=_http(found.relay_http_addr),
        replication_factor=found.relay_replication_factor,
        instance_id=found.relay_instance_id,
        log_level=found.relay_log_level,
        log_format=found.relay_log_format,
        allow_http_vendors=found.relay_allow_http_vendors,
        trace_url=found.relay_trace_url,
    )


def _kafka(found: Variables, environ: Mapping[str, str]) -> KafkaConnection:
    return KafkaConnection(
        bootstrap=tuple(_split(found.kafka_bootstrap_servers)),
        protocol=found.kafka_security_protocol,
        mechanism=found.kafka_sasl_mechanism,
        username=found.kafka_sasl_username,
        password=mounted("KAFKA_SASL_PASSWORD", found.kafka_sasl_password, environ),
        cafile=found.kafka_ssl_cafile or found.relay_ca_file,
        certfile=found.kafka_ssl_certfile,
        keyfile=found.kafka_ssl_keyfile,
        key_password=mounted("KAFKA_SSL_PASSWORD", found.kafka_ssl_password, environ) or "",
    )


def _registry(found: Variables) -> RegistrySettings | None:
    if found.schema_registry_url is None:
        return None
    return RegistrySettings(found.schema_registry_url, found.schema_registry_username, found.schema_registry_password)


def _http(address: str) -> HttpAddress | None:
    if address == "off":
        return None
    host, _, port = address.rpartition(":")
    return HttpAddress(host.strip("[]") or EVERY_ADDRESS, int(port))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
