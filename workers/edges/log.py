"""Log lines: JSON or text, each with a stable ``action``; no value holds a record's content."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Final, Literal, TextIO

import orjson

from workers.core.redaction import without_secrets
from workers.edges.log_actions import Action

_LOGGER = logging.getLogger("order_relay")
_REPEAT_AFTER_S = 60.0
_MOST_REMEMBERED = 1000  # different lines of libraries
_KAFKA = "kafka"
_KAFKA_CONNECTIONS = (
    "kafka.net",
    "kafka.cluster",
    "kafka.coordinator",
    "kafka.consumer.fetcher",
    "kafka.producer.sender",
)
"""Each attempt and each retry is a line of theirs, many a second in an outage: `kafka_unreachable` says it once."""
_KAFKA_LOOP = "kafka.net.selector"  # that it crashed is not said otherwise; it warns of each pause of a throttled CPU
_LIBRARY_LEVELS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("aiohttp", "asyncio", _KAFKA_LOOP), logging.ERROR),
    _KAFKA: logging.WARNING,
    **dict.fromkeys(_KAFKA_CONNECTIONS, logging.CRITICAL),
}
"""From which level on a library's lines are written; at debug all of them are, from INFO on."""
_NEEDS_QUOTES = re.compile(r'[\s="\\]')

FORMERLY: Final[Mapping[str, str]] = {
    "discard_skipped": "discard_left",
    "drain_timed_out": "drain_gave_up",
    "kafka_state_truncated": "kafka_state_cut",
    "replay_waits": "redelivery_waits",
    "shard_restarts": "shard_begins_anew",
    "vendor_response_anomaly": "vendor_answer_peculiar",
}
"""Actions by their new name. For this release a line carries the old one too, as ``formerly``: alerts may match it."""


class Log:
    """``log.info("gate_shut", reason="denied")``: the action is the first argument, everything else a named value."""

    def debug(self, action: Action, **values: Any) -> None:
        self._write(logging.DEBUG, action, values)

    def info(self, action: Action, **values: Any) -> None:
        self._write(logging.INFO, action, values)

    def warning(self, action: Action, **values: Any) -> None:
        self._write(logging.WARNING, action, values)

    def error(self, action: Action, **values: Any) -> None:
        self._write(logging.ERROR, action, values)

    @staticmethod
    def _write(level: int, action: Action, values: dict[str, Any]) -> None:
        if _LOGGER.isEnabledFor(level):
            _LOGGER.log(level, action, extra={"values": values})


log = Log()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        try:
            text = orjson.dumps(line, default=str).decode()
        except TypeError:  # half a character, a number beyond 64 bits: an order id is its publisher's to choose
            text = json.dumps(line, default=str)
        return without_secrets(text)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        head = f"{line.pop('time')} {line.pop('level'):<7} {line.pop('action')}"
        return without_secrets(" ".join([head, *(f"{name}={_quoted(value)}" for name, value in line.items())]))


class _RateLimit(logging.Filter):
    """A line that a library repeats, such as ten times a second while a topic is missing, is written once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, str], float] = {}  # by library and message

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == _LOGGER.name:
            return True
        line = (record.name, str(record.msg))
        if record.created - self._written.get(line, 0.0) < _REPEAT_AFTER_S:
            return False
        if len(self._written) >= _MOST_REMEMBERED:
            self._written.clear()
        self._written[line] = record.created
        return True


def _quoted(value: object) -> str:
    """One word as logfmt has it, in double quotes where it needs them. A terminal executes what is not printable."""
    if isinstance(value, Mapping):
        value = [f"{name}={one}" for name, one in value.items()]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else _one_line(value)
    if text and text.isprintable() and not _NEEDS_QUOTES.search(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in quoted)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _line(record: logging.LogRecord) -> dict[str, Any]:
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, Any] = {"time": when, "level": record.levelname.lower()}
    values = getattr(record, "values", None)
    if values is None:  # a library's line
        detail = _one_line(record.getMessage())[:500]
        if _is_debug(record):
            line["level"] = "debug"
        return line | {"action": "library", "library": record.name, "detail": detail}
    action = record.getMessage()
    named = {"action": action, "formerly": FORMERLY.get(action)} | values
    return line | {name: value for name, value in named.items() if value is not None}


def _is_debug(record: logging.LogRecord) -> bool:
    """Whether a library's line is written at debug only, whatever its own level is."""
    if record.name.partition(".")[0] != _KAFKA:
        return False
    names = accumulate(record.name.split("."), "{}.{}".format)
    *_, least = (_LIBRARY_LEVELS[name] for name in names if name in _LIBRARY_LEVELS)
    return record.levelno < least


def set_up(level: str, style: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Write every line of this process to ``stream`` (default: standard error); ours are written from ``level`` on."""
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(_JsonLines() if style == "json" else _TextLines())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level.upper())
    for name, least in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(least if level != "debug" else logging.INFO)
    if level != "debug":
        output.addFilter(_RateLimit())
