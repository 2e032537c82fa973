"""Who gives a command that is written down, and the answer to its question."""

import getpass
import os
import socket

import click

from workers.cli.output import confirmed

BY = click.option("--by", default="", metavar="NAME", help="Who asks; without it, the user and host of this process.")
WHY = click.option("--why", default="", metavar="TEXT", help="The reason, which is kept with the name.")
YES = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
DECLINED = 1  # exit status of a command to which the operator said no: `relay ... && next` must not go on


def operator(by: str) -> str:
    """The name that is kept: what was given, or user@host; the user's number where a container knows no name for it."""
    if by.strip():
        return plain(by.strip())
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # neither a variable nor an entry of the user database
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname() or os.uname().nodename or 'localhost'}"


def plain(text: str) -> str:
    """The text without what UTF-8 cannot hold, such as bytes of another encoding on the command line."""
    return text.encode("utf-8", "replace").decode()


def agreed(question: str, *, yes: bool) -> bool:
    """Whether the operator agrees; ``yes``: said already on the command line."""
    return yes or confirmed(question)
