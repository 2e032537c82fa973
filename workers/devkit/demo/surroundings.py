"""The environment of the demo's processes: the user's, without whatever leads to real systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workers.app.config.specs import Config

_KAFKA: Final = "KAFKA_"
_OURS: Final = ("RELAY_", "SCHEMA_REGISTRY_")
_CA_FILE: Final = ("RELAY_CA_FILE", "RELAY_CA_FILE_FILE")  # the user's Kafka may need it
_LOOPBACK: Final = "127.0.0.1,localhost"


def own_environ(environ: Mapping[str, str], config: Config, *, on_given_kafka: bool) -> dict[str, str]:
    """Leave out the relay's, the registry's and all vendors' variables, those with ``_FILE`` too.

    A key that stayed would meet the simulator's own, or go to it. Kafka's stay only for the user's own Kafka.
    """
    dropped = (*_OURS, *(f"{spec.credentials}_" for spec in config.workers.values()))
    dropped = dropped if on_given_kafka else (*dropped, _KAFKA)
    kept = {name: value for name, value in environ.items() if not name.startswith(dropped)}
    if on_given_kafka:
        kept |= {name: environ[name] for name in _CA_FILE if name in environ}
    for name in ("NO_PROXY", "no_proxy"):  # the simulators are here
        kept[name] = ",".join(filter(None, (_LOOPBACK, environ.get(name, ""))))
    return kept
