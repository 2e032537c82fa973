"""The commands that a vendor offers besides its sink and its poller: `relay vendor NAME COMMAND` finds them.

A vendor's folder that has a ``commands.py`` exports ``COMMANDS``. A command is a flow, so it does no IO either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from workers.core.delivery.outcome import Outcome
from workers.core.events import Created
from workers.vendors.contract import Credentials, Flow


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator gave to a command."""

    order_id: str
    event: Created | None = None  # of a command that takes a whole order


@dataclass(frozen=True, slots=True)
class Shown:
    """A command's answer."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    document: Any  # for ``--json``


@dataclass(frozen=True, slots=True)
class VendorCommand:
    """One command. It uses the account of a worker of that side."""

    name: str  # a verb, which messages repeat
    meaning: str  # the first sentence of its help
    details: str  # the rest
    example: str
    side: Literal["sink", "poller"]
    takes: Literal["order_id", "event"]
    flow: Callable[[Any, Credentials, Given], Flow[Shown | Outcome]]  # (options of the worker, ...)
    changes: str = ""  # what the operator must agree to, with ``{}`` for the order id; empty: it only reads


def load_commands(vendor: str) -> tuple[VendorCommand, ...]:
    """Import the vendor's commands; raises `ModuleNotFoundError` when it has none."""
    commands: tuple[VendorCommand, ...] = import_module(f"workers.vendors.{vendor}.commands").COMMANDS
    return commands
