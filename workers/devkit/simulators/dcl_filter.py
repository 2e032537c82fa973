"""The ``filter`` and ``fields`` parameters of DCL's GET orders."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TAGS: Final = frozenset(
    (
        "order_stage",
        "order_status",
        "account_number",
        "po_number",
        "customer_number",
        "shipping_carrier",
        "shipping_service",
        "order_type",
        "system_id",
        *(f"custom_field{number}" for number in range(1, 6)),
    )
)
_CONDITION: Final = re.compile(r'\s*(\w+) (\w+) (?:"([^"]*)"|(-?\d+))\s*')


class BadRequestError(ValueError):
    """A parameter that DCL's page does not allow."""


class Condition(NamedTuple):
    """One condition of a filter."""

    tag: str
    fits: Callable[[Any, Any], bool]
    value: str | int

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether an order fits it."""
        shown = row.get(self.tag)
        return type(shown) is type(self.value) and self.fits(shown, self.value)


def conditions(text: str) -> list[Condition]:
    """Read a filter; raises `BadRequestError`."""
    return [_condition(part) for part in text.split(",")] if text else []


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None or found[1] not in _TAGS or found[2] not in _OPERATORS:
        raise BadRequestError("The filter is not understood.")
    return Condition(found[1], _OPERATORS[found[2]], found[3] if found[4] is None else int(found[4]))


def limited(row: dict[str, Any], fields: str) -> dict[str, Any]:
    """The fields that are asked for; none named: all."""
    names = {name.strip() for name in fields.split(",") if name.strip()}
    return {name: value for name, value in row.items() if name in names} if names else row
