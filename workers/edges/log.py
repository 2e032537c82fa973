"""Log lines: JSON or text, each with a stable ``action``; no value holds a record's content."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import orjson

_LOGGER = logging.getLogger("order_relay")
_REPEAT_AFTER_S = 60.0
_MOST_REMEMBERED = 1000  # different lines of libraries
_LIBRARIES = ("aiohttp", "asyncio")  # their errors are worth a line, their other lines are not
_KAFKA = "kafka"  # what its client says in an outage, many times a second, `kafka_unreachable` says once
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

    def debug(self, action: str, **values: Any) -> None:
        self._write(logging.DEBUG, action, values)

    def info(self, action: str, **values: Any) -> None:
        self._write(logging.INFO, action, values)

    def warning(self, action: str, **values: Any) -> None:
        self._write(logging.WARNING, action, values)

    def error(self, action: str, **values: Any) -> None:
        self._write(logging.ERROR, action, values)

    @staticmethod
    def _write(level: int, action: str, values: dict[str, Any]) -> None:
        if _LOGGER.isEnabledFor(level):
            _LOGGER.log(level, action, extra={"values": values})


log = Log()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a character, a number beyond 64 bits: an order id is its publisher's to choose
            return json.dumps(line, default=str)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        head = f"{line.pop('time')} {line.pop('level'):<7} {line.pop('action')}"
        return " ".join([head, *(f"{name}={_quoted(value)}" for name, value in line.items())])


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
        if record.name.partition(".")[0] == _KAFKA:
            line["level"] = "debug"
        return line | {"action": "library", "library": record.name, "detail": detail}
    action = record.getMessage()
    named = {"action": action, "formerly": FORMERLY.get(action)} | values
    return line | {name: value for name, value in named.items() if value is not None}


def set_up(level: str, style: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Write every line of this process to ``stream`` (default: standard error); ours are written from ``level`` on."""
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(_JsonLines() if style == "json" else _TextLines())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level.upper())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR if level != "debug" else logging.INFO)
    logging.getLogger(_KAFKA).setLevel(logging.CRITICAL if level != "debug" else logging.INFO)
    if level != "debug":
        output.addFilter(_RateLimit())
