"""The full names of a vendor's variables, in what its flows return: ``{API_KEY}`` in a text is ECDP_API_KEY."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
    reworded,
)
from workers.core.poll.vendor_set import SetReading

T = TypeVar("T")

_IN_BRACES: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class VariableNames:
    """Vendors know their variables without the prefix, which is the worker's ``credentials`` in topics.yaml."""

    prefix: str = ""
    names: Collection[str] = ()

    def full(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    @property
    def all_full(self) -> list[str]:
        return [self.full(name) for name in self.names]

    def in_text(self, text: str) -> str:
        """Other words in braces stay: they are the vendor's."""
        return _IN_BRACES.sub(self._in_full, text)

    def in_value(self, value: T) -> T:
        """The same value; outcomes and readings in it name variables in full."""
        return with_words(value, self.in_text)

    def _in_full(self, found: re.Match[str]) -> str:
        return self.full(found[1]) if found[1] in self.names else found[0]


UNNAMED: Final = VariableNames()


def with_words(value: T, words: Callable[[str], str]) -> T:
    """The same value of a flow; ``words`` makes the texts of its outcomes and readings of those that they have."""
    return cast("T", _with_words(value, words))


def _with_words(value: Any, words: Callable[[str], str]) -> Any:
    match value:
        case list():
            return [_with_words(one, words) for one in value]
        case Delivered():  # nearly always without remarks, once a record
            return replace(value, remarks=tuple(map(words, value.remarks))) if value.remarks else value
        case Throttled() | Unavailable() | Unknown() | Denied():
            return reworded(value, words)
        case Rejected() | UnknownOrder():
            return replace(value, detail=words(value.detail))
        case SetReading(forbidden=str(why)):
            return replace(value, forbidden=words(why))
        case _:
            return value
