"""Output for people and for machines: tables and JSON on stdout, messages on stderr."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

WIDTH = 80  # columns where there is no terminal


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table that fits the terminal, or 80 columns; plain without a terminal or with NO_COLOR."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"  # rich would keep the bold
    console = Console(width=None if sys.stdout.isatty() else WIDTH, color_system=colours)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def show_json(value: Any) -> None:
    """Print one JSON document in one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_err(message: str) -> None:
    """Print one line on stderr: stdout is for data."""
    sys.stderr.write(message + "\n")


def truncate(line: str) -> str:
    """Cut the line at the terminal's width; keep it whole without a terminal, because a program may search it."""
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else f"{line[: width - 1]}…"


def escape_control(text: str) -> str:
    """One printable line: ids and reasons come from outside, and a terminal executes control sequences."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
