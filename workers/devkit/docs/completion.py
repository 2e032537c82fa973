"""``workers/cli/completion.json``: what the shell's completion knows of the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import click

from workers.cli.commands import relay
from workers.cli.complete import FILE
from workers.cli.names import NameType

_HELP: Final = ("-h", "--help")  # of every command


def text() -> str:
    """The whole file: each command by its words, with its subcommands, options and arguments."""
    return json.dumps(dict(_entries("", relay)), indent=1) + "\n"


def _entries(path: str, command: click.Command) -> Iterator[tuple[str, Any]]:
    context = click.Context(command)
    group = command if isinstance(command, click.Group) else None
    names = group.list_commands(context) if group else []
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    yield (
        path,
        {
            "commands": names,
            "options": dict(_options(command.params)) | dict.fromkeys(_HELP, ""),
            "arguments": [kind_of(one) for one in arguments],
            "repeats": any(one.nargs < 0 for one in arguments[-1:]),
        },
    )
    for name in names:
        found = group.get_command(context, name) if group else None
        assert found is not None, name
        yield from _entries(f"{path} {name}".strip(), found)


def _options(parameters: list[click.Parameter]) -> Iterator[tuple[str, str]]:
    """Each option with the kind of its value; empty: it takes none."""
    for one in parameters:
        if isinstance(one, click.Option):
            yield from ((name, "" if one.is_flag else kind_of(one)) for name in one.opts)


def kind_of(parameter: click.Parameter) -> str:
    """What the value is, as `complete` takes it: a kind of name, words with ``|`` between, a file, or any text."""
    match parameter.type:
        case NameType(kind=kind):
            return kind
        case click.Choice(choices=choices):
            return "|".join(map(str, choices))
        case click.Path() | click.File():
            return FILE
        case _:
            return "text"
