"""The values that people write in topics.yaml: durations, sizes, counts."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def seconds(value: Any) -> float:
    """``250ms``, ``30s``, ``10m``, ``5h`` or ``7d`` as seconds; raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a duration is wanted: a number with ms, s, m, h or d, such as 250ms, 30s or 10m")
    return float(found[1]) * _SECONDS[found[2]]


def session(value: Any) -> float:
    """What a cluster may be set to take, as seconds; raises ValueError for anything else."""
    found = seconds(value)
    if not 1.0 <= found <= 1800.0:  # noqa: PLR2004 - as the text says
        raise ValueError("1s to 30m is wanted")
    return found


def size(value: Any) -> int:
    """``48MiB``, ``64KiB`` or a plain number as bytes; raises ValueError for anything else."""
    text = "" if isinstance(value, bool) else str(value)
    found = re.fullmatch(r"(\d+)(B|KiB|MiB|GiB|)", text)
    if found is None:
        raise ValueError("a size is wanted: a whole number of bytes, or one with KiB, MiB or GiB, such as 48MiB")
    return int(found[1]) * _BYTES[found[2]]


def whole(value: Any) -> int:
    """A whole number as YAML or an environment variable gives it; raises ValueError for anything else."""
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise ValueError("a whole number is wanted")
    return int(text)


def config_value(value: Any) -> str:
    """A topic's configuration value, as Kafka writes it; raises ValueError for lists, maps and nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a single value is wanted")


Seconds = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
Session = Annotated[float, BeforeValidator(session)]
PositiveSeconds = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
Size = Annotated[int, BeforeValidator(size), Field(gt=0)]
Count = Annotated[int, BeforeValidator(whole), Field(gt=0)]
ConfigValue = Annotated[str, BeforeValidator(config_value)]
