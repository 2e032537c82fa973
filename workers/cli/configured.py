"""What commands share: the configuration, the worker that a command names, and times as people write them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from workers.cli.output import print_err

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import PollerSpec, SinkSpec
    from workers.edges.kafka.reach.causes import Cause


def read_configuration(names: Iterable[str] | None = ()) -> Configuration:
    """Everything that the workers ``names`` need (None: all), from topics.yaml and the environment.

    For a command: its clients of Kafka say on stderr what they wait for.
    """
    from workers.app.config.configuration import load_configuration

    found = load_configuration(os.environ, names)
    kafka = replace(found.settings.kafka, waiting=WaitingLines())
    return replace(found, settings=replace(found.settings, kafka=kafka))


class WaitingLines:
    """Says on stderr that the command waits for Kafka: each cause once, however many clients wait."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def waits(self, servers: str, cause: Cause) -> None:
        line = f"waiting for Kafka at {servers}: {cause.what}"
        if line not in self._said:
            self._said.add(line)
            print_err(line)


def sink_named(configuration: Configuration, name: str, of_poller: str) -> SinkSpec:
    """The sink of that name; ``of_poller``: why the command is not for a poller."""
    from workers.app.config.configuration import unknown_worker
    from workers.app.config.errors import ConfigError

    config = configuration.config
    if name in config.pollers:
        raise click.UsageError(f"{name} is a poller and {of_poller}.")
    if name not in config.sinks:
        raise ConfigError([unknown_worker(config, name, config.sinks)])
    return config.sinks[name]


def poller_named(configuration: Configuration, wanted: str) -> PollerSpec:
    """The poller of that name, or the vendor's only one."""
    from workers.app.config.errors import ConfigError, Fault, did_you_mean

    config = configuration.config
    found = [spec for name, spec in config.pollers.items() if wanted in {name, spec.vendor}]
    if len(found) == 1:
        return found[0]
    known = [*config.pollers, *(spec.vendor for spec in config.pollers.values())]
    several = f"{wanted} has several pollers: {', '.join(spec.name for spec in found)}; name one"
    none = f"no poller '{wanted}' in this file{did_you_mean(wanted, known)}"
    raise ConfigError([Fault(str(config.file), several if found else none)])


def time_ms(option: str, text: str, *words: str) -> int:
    """Milliseconds since 1970; ``words``: what the option takes besides a time."""
    from workers.edges.avro.json_text import time_millis

    millis = time_millis(text)
    if millis is None:
        wanted = ", ".join(words) + " or a time" if words else "a time"
        raise click.UsageError(f"{option} wants {wanted} such as 2026-11-22T06:00:00Z.")
    return millis
