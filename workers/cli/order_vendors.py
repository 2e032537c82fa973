"""``relay order ORDER_ID --ask-vendors``: each vendor's own word, next to what was delivered or published last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workers.cli.configured import read_configuration
from workers.cli.output import show_line, show_table
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.errors import ConfigError
    from workers.app.inspect.known_order import KnownOrder
    from workers.app.inspect.vendor_words import Heard


def ask(order_id: str, known: KnownOrder) -> Sequence[Heard]:
    """Ask the vendors of topics.yaml, as far as their variables are set here."""
    from workers.app.inspect.vendor_words import ask_vendors, workers_to_ask

    names = workers_to_ask(read_configuration().config)
    return run_interruptibly(ask_vendors({name: _with_variables(name) for name in names}, order_id, known))


def _with_variables(name: str) -> Configuration | ConfigError:
    from workers.app.config.errors import ConfigError

    try:
        return read_configuration([name])
    except ConfigError as error:
        return error


def facts(heard: Sequence[Heard]) -> list[dict[str, Any]]:
    """The same for a machine."""
    return [
        {
            "vendor": one.vendor,
            "worker": one.worker,
            "says": None if one.word is None else one.word.says,
            "last": None if one.word is None else one.word.last,
            "differing": [] if one.word is None else list(one.word.differing),
            "fault": one.fault or None,
        }
        for one in heard
    ]


def show(heard: Sequence[Heard]) -> None:
    """A table, with a mark where a vendor says otherwise."""
    show_line()
    show_table(("vendor", "says now", "last delivered or published", "differing"), map(_row, heard))


def _row(one: Heard) -> tuple[str, str, str, str]:
    if one.word is None:
        return one.vendor, f"? {one.fault}", "", ""
    return (
        one.vendor,
        one.word.says,
        one.word.last,
        ("! " + ", ".join(one.word.differing)) if one.word.differing else "-",
    )
