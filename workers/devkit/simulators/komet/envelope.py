"""Komet's envelope: what a method answers, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.komet.seller import Seller
from workers.devkit.simulators.server import Answer

if TYPE_CHECKING:
    from workers.devkit.simulators.komet.web_orders import WebOrders

TokenPlace: TypeAlias = Literal["query", "body", "header"]
OK = "OK"


class RefusedError(Exception):
    """Status 0; the text is its message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a method: its parameters, from the query string or from the JSON body."""

    parameters: Mapping[str, Any]
    seller: Seller
    web_orders: WebOrders
    faults: Faults

    def text(self, name: str) -> str:
        """A parameter as text; empty when it is missing."""
        value = self.parameters.get(name)
        return "" if value is None else str(value)

    def number(self, name: str) -> int:
        """A required whole number; raises `RefusedError`."""
        text = self.text(name)
        if not text.isdecimal():
            raise RefusedError(f"{name} is required.")
        return int(text)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API: how it is called, and what it answers."""

    http: Literal["GET", "POST"]
    token: TokenPlace
    answer: Callable[[Asked], dict[str, Any]]  # members other than `status` and `message`; raises `RefusedError`
    changes: bool = False  # it is a write


def envelope(status: int, message: str, members: Mapping[str, Any], faults: Faults, *, http: int = 200) -> Answer:
    """Write an answer; with the knob `numbers_as_text` each number and each boolean is a text."""
    body = {"status": status, "message": message, **members}
    return Answer(http, orjson.dumps(_texts(body) if faults.numbers_as_text else body))


def _texts(value: Any) -> Any:
    match value:
        case dict():
            return {name: _texts(each) for name, each in value.items()}
        case list():
            return [_texts(each) for each in value]
        case bool():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return value
