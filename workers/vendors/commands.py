"""The commands that a vendor offers besides its sink and its poller: `relay vendor NAME COMMAND` finds them.

A vendor's folder that has a ``commands.py`` exports ``COMMANDS``. A command is a flow, so it does no IO either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from workers.core.budget import Budget
from workers.core.delivery.outcome import Outcome
from workers.core.events import Created
from workers.vendors.contract import Credentials, Flow


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or an option that a command alone has."""

    name: str  # of its value in `Given.values`; ``expires_in_days`` is the option --expires-in-days
    meaning: str = ""
    kind: Literal["text", "texts", "count", "secret"] = "text"  # texts: may be repeated; secret: or @FILE that holds it
    is_argument: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class BudgetNow:
    """What the vendor's budget of requests grants the account now."""

    budget: Budget
    now_ms: int
    beats: Mapping[str, float]  # of the poller's sets, by name: seconds between two readings
    own: str  # what the names of the poller's spenders begin with
    rare_per_ms: float = 0.0  # requests of readings that are rarer than the beats

    @property
    def stretch(self) -> float:
        """By what factor the beats are longer now; a reading is taken for one request."""
        per_ms = self.rare_per_ms + sum(1 / (every_s * 1000) for every_s in self.beats.values())
        return self.budget.stretch(per_ms, self.now_ms, self.own)


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator gave to a command."""

    order_id: str = ""
    event: Created | None = None  # of a command that takes a whole order
    values: Mapping[str, Any] = field(default_factory=dict)  # of its own parameters; None or () when not given
    budget: BudgetNow | None = None  # of a command that `shows_budget`


@dataclass(frozen=True, slots=True)
class Shown:
    """A command's answer."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    document: Any  # for ``--json``
    secret: str | None = field(default=None, repr=False)  # goes to a file, never to the screen unless --show
    content: bytes | None = field(default=None, repr=False)  # a file, which goes to standard output instead of the rows


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Where a command that makes a secret leaves it."""

    default: str  # the file's name in the working folder
    # (credentials, given) -> the secret that the new one replaces; only a file that holds it is overwritten
    replaces: Callable[[Credentials, Given], str | None]


@dataclass(frozen=True, slots=True)
class VendorCommand:
    """One command. It uses the account of a worker of that side; `any`: of the first that the vendor has."""

    name: str  # a verb, which messages repeat; ``keys list`` is the command `list` of the group `keys`
    meaning: str  # the first sentence of its help
    details: str  # the rest
    example: str
    side: Literal["sink", "poller", "any"]
    takes: Literal["order_id", "event", "nothing"]
    flow: Callable[[Any, Credentials, Given], Flow[Shown | Outcome]]  # (options of the worker, ...)
    changes: str = ""  # what it does, with ``{}`` for its subject; it is written to the log. Empty: it only reads
    asks: bool = True  # of a command that changes something: whether the operator must agree
    needs_reason: bool = True  # the same: whether --why must be given
    parameters: tuple[Parameter, ...] = ()
    subject: Callable[[Given], str] = lambda given: given.order_id  # of a change, without secrets
    noun: str = "order"  # of the subject, in messages
    secret_file: SecretFile | None = None  # of a command that makes a secret
    shows_budget: bool = False  # it is given what the vendor's budget of requests grants


def load_commands(vendor: str) -> tuple[VendorCommand, ...]:
    """Import the vendor's commands; raises `ModuleNotFoundError` when it has none."""
    commands: tuple[VendorCommand, ...] = import_module(f"workers.vendors.{vendor}.commands").COMMANDS
    return commands
