"""What is wrong with the configuration: every fault with its place, found in one run, and never a secret value."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that the operator must change."""

    place: str  # ``file:line:column``, or the variable's full name
    message: str  # what must be there instead

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; holds all its faults, not only the first."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(dict.fromkeys(faults))  # two workers may share a variable
        super().__init__("; ".join(str(fault) for fault in self.faults))


def reason_of(error: OSError) -> str:
    """Why a file cannot be read, in small letters: ``permission denied``."""
    return (error.strerror or type(error).__name__).lower()


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that ``word`` is probably a misspelling of."""
    close = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` or, when no known word is near, all of them."""
    words = sorted(known)
    close = nearest(word, words)
    if close is not None:
        return f"; did you mean '{close}'?"
    return f"; known: {', '.join(words)}" if words else ""


M = TypeVar("M", bound=BaseModel)

Keys: TypeAlias = tuple[str | int, ...]
"""The way to a value: ``("workers", "ecdp-sink", "batch", "linger")``."""


def validate(model: type[M], data: dict[str, Any]) -> tuple[M | None, list[ErrorDetails]]:
    """Give the model and no errors, or every error and the model of what is right in ``data``.

    A wrong value is taken out, so that its default counts; a block whose required value is wrong is taken out
    whole. Rules between blocks can then find their own faults in the same run. None: nothing can be made of the rest.
    """
    found: dict[Keys, ErrorDetails] = {}
    taken_out: set[Keys] = set()
    while True:
        try:
            return model.model_validate(data), list(found.values())
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        data = data if found else deepcopy(data)
        found |= {error["loc"]: error for error in errors if error["loc"] not in taken_out}
        taken = _take_out_all(data, [error["loc"] for error in errors])
        if () in taken:
            return None, list(found.values())
        taken_out |= taken


def _take_out_all(data: dict[str, Any], wrong: Iterable[Keys]) -> set[Keys]:
    """Remove the wrong values; the ways to what was removed, () for a value that cannot be removed."""
    taken: set[Keys] = set()
    for keys in wrong:
        if not any(keys[:length] in taken for length in range(len(keys) + 1)):
            taken.add(_take_out(data, keys))
    return taken


def _take_out(data: dict[str, Any], keys: Keys) -> Keys:
    """Remove the value, or what is around it: the whole list of an entry, the block of a key that is not there."""
    way: list[tuple[dict[str, Any], str]] = []
    here: Any = data
    for key in map(str, keys):
        if not isinstance(here, dict) or key not in here:
            break
        way.append((here, key))
        here = here[key]
    if way:
        block, key = way[-1]
        del block[key]
    return tuple(key for _, key in way)


_MESSAGES = {
    "string_type": "must be text; put it in quotes if it looks like a number",
    "tuple_type": "must be a list, such as [order-created, order-status]",
    "dict_type": "must be a block of keys",
    "model_type": "must be a block of keys",
    "too_short": "must hold at least one entry",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be at most {le:g}",
    "path_type": "must be the path of a file",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


def message_of(error: ErrorDetails) -> str:
    """What the value must be; never the value, which may be secret."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if "expected" in context:
        return f"must be {context['expected']}"
    return _MESSAGES[error["type"]].format(**context) if error["type"] in _MESSAGES else error["msg"]
