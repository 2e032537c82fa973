"""Log lines: JSON or text, each with a stable ``action``; values are ours, never a record's content."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

_LOGGER = logging.getLogger("order_relay")
_SAY_AGAIN = 60.0  # seconds
_MOST_SAID = 1000
_LIBRARIES = ("kafka", "aiohttp", "asyncio")  # their warnings are worth a line, their chatter is not


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
        return " ".join([head, *(f"{name}={_one_line(value)}" for name, value in line.items())])


class _Seldom(logging.Filter):
    """A library that says the same ten times a second while a topic is missing says it once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == _LOGGER.name:
            return True
        what = (record.name, str(record.msg))
        if record.created - self._said.get(what, 0.0) < _SAY_AGAIN:
            return False
        if len(self._said) >= _MOST_SAID:
            self._said.clear()
        self._said[what] = record.created
        return True


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _line(record: logging.LogRecord) -> dict[str, Any]:
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, Any] = {"time": when, "level": record.levelname.lower()}
    values = getattr(record, "values", None)
    if values is None:  # a library's line
        detail = _one_line(record.getMessage())[:500]
        return line | {"action": "library", "library": record.name, "detail": detail}
    return line | {"action": record.getMessage()} | {name: value for name, value in values.items() if value is not None}


def set_up(level: str, style: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Send every line of this process to ``stream`` (standard error), ours from ``level`` on."""
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(_JsonLines() if style == "json" else _TextLines())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level.upper())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR if level != "debug" else logging.INFO)
    if level != "debug":
        output.addFilter(_Seldom())
