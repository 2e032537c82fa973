"""What is wrong with the configuration: every fault with its place, never a value that may be secret."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


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
