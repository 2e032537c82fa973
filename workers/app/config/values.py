"""The values that people write in topics.yaml and in variables: durations, sizes, counts, names."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
BYTES = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1, "": 1}
KIB = BYTES["KiB"]
MIB = BYTES["MiB"]
HOUR_S = SECONDS["h"]
DAY_S = SECONDS["d"]
MIN_SESSION_S, MAX_SESSION_S = 1.0, 1800.0


@dataclass(frozen=True, slots=True)
class Written:
    """How a value is written, for docs/configuration.md."""

    form: str


def seconds(value: Any) -> float:
    """``250ms``, ``30s``, ``10m``, ``5h`` or ``7d`` as seconds; raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration: a number with ms, s, m, h or d, such as 250ms, 30s or 10m")
    return float(found[1]) * SECONDS[found[2]]


def session(value: Any) -> float:
    found = seconds(value)
    if not MIN_SESSION_S <= found <= MAX_SESSION_S:
        raise ValueError("must be 1s to 30m")
    return found


def size(value: Any) -> int:
    """``48MiB``, ``64KiB`` or a plain number as bytes; raises ValueError for anything else."""
    text = "" if isinstance(value, bool) else str(value)
    found = re.fullmatch(r"(\d+)(B|KiB|MiB|GiB|)", text)
    if found is None:
        raise ValueError("must be a size: a whole number of bytes, or one with KiB, MiB or GiB, such as 48MiB")
    return int(found[1]) * BYTES[found[2]]


def whole(value: Any) -> int:
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise ValueError("must be a whole number")
    return int(text)


def config_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("must be a single value")


def topic_name(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", value):
        raise ValueError("must be the name of a topic: letters, digits, '.', '_' and '-'")
    return value


def prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        raise ValueError("must be a prefix of variables: capitals, digits and '_', such as ECDP_EAST")
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Field(ge=0), Written("duration")]
PositiveSeconds = Annotated[float, BeforeValidator(seconds), Field(gt=0), Written("duration")]
Session = Annotated[float, BeforeValidator(session), Written("duration")]
Size = Annotated[int, BeforeValidator(size), Field(gt=0), Written("size")]
Count = Annotated[int, BeforeValidator(whole), Field(gt=0), Written("whole number")]
ConfigValue = Annotated[str, BeforeValidator(config_value), Written("value")]
TopicName = Annotated[str, AfterValidator(topic_name), Written("topic")]
Prefix = Annotated[str, AfterValidator(prefix), Written("prefix of variables")]
