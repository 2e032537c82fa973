"""Output for people and for machines: the only place where a command's data reaches a terminal.

What answers the question goes to stdout, remarks go to stderr. Order ids, reasons and names come from outside, and a
terminal executes control sequences: each function here replaces whatever is not printable.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import click

WIDTH = 80  # columns of a terminal that does not say its own
_GAP = "  "


def escape_control(text: str) -> str:
    """One printable line: control, format and half characters are shown by their number in hexadecimal digits."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte


def show_line(text: str = "") -> None:
    """Print one line on stdout."""
    show_lines([text])


def show_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, all in one write: ten thousand writes would slow a command below its worker's rate."""
    _write(escape_control(line) for line in lines)


def show_json(value: Any, *, indent: bool = False) -> None:
    """Print one JSON document, in one line unless ``indent``."""
    show_json_text(json_text(value, indent=indent))


def json_text(value: Any, *, indent: bool = False) -> str:
    """The document as text; `show_json_text` prints it."""
    return json.dumps(value, ensure_ascii=False, indent=2 if indent else None)


def show_json_text(text: str) -> None:
    """Print JSON that is encoded already. JSON itself allows most of what a terminal executes: it is escaped here."""
    show_json_lines([text])


def show_json_lines(texts: Iterable[str]) -> None:
    """Print several documents, all in one write."""
    _write(safe_json(one) for one in texts)


def _write(lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()


def safe_json(text: str) -> str:
    """The same document, with every character that is not printable in JSON's own escape; line breaks only indent."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def show_file(content: bytes) -> None:
    """Write a file's bytes to stdout, which must not be a terminal: that would execute what they hold."""
    if sys.stdout.isatty():
        raise click.UsageError("The answer is a file: add > FILE, or --json.")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def print_err(message: str) -> None:
    """Print one line on stderr: stdout is for data."""
    sys.stderr.write(escape_control(message) + "\n")


def show_progress(text: str) -> None:
    """Replace the terminal's last line by this one; nothing without a terminal. `clear_progress` takes it away."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{escape_control(text)}")
        sys.stderr.flush()


def clear_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def confirmed(question: str) -> bool:
    """Ask on the terminal; raises `click.UsageError` where there is none."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"{escape_control(question)} There is no terminal to answer: give --yes.")
    return click.confirm(escape_control(question), err=True)


def terminal_width() -> int | None:
    """Columns of the terminal; None without one: a program may search the lines, so none is cut or wrapped."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else None


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: within a terminal's width, and one line a row elsewhere."""
    cells = [[escape_control(cell) for cell in row] for row in rows]
    if sys.stdout.isatty() or os.environ.get("FORCE_COLOR"):
        _show_rich(columns, cells)
        return
    lines = [list(columns), *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    show_lines(_GAP.join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _show_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Plain with NO_COLOR."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"  # rich would keep the bold
    console = Console(color_system=colours)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
