"""The file that a command leaves a new secret in: only its owner may read it, and no other secret is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


class SecretText(click.types.StringParamType):
    """A secret or its public beginning; ``@FILE`` reads it from a file, so that no shell keeps it in its history."""

    name = "secret"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text: str = super().convert(value, param, ctx)
        if text.startswith("@"):
            try:
                text = Path(text[1:]).read_text(errors="replace").strip()
            except OSError as error:
                self.fail(f"{text[1:]} cannot be read: {error.strerror}", param, ctx)
        if not text:
            self.fail("is empty", param, ctx)
        return text


def secret_options(default: str) -> Callable[..., Any]:
    """Add the options ``out`` and ``show``."""
    out = click.option(
        "--out",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default,
        show_default=True,
        help="The file for the new secret, which only you may read (mode 600).",
    )
    show = click.option("--show", is_flag=True, help="Print the new secret as well.")
    return lambda command: out(show(command))


@dataclass(slots=True)
class NewSecretFile:
    """A file that is there before the vendor is asked, so that no secret is made that cannot be kept."""

    path: Path
    written: Path  # in the same folder

    def write(self, secret: str) -> None:
        """Put the whole secret into the file at once, for a worker may read it; raises `click.ClickException`."""
        try:
            self.written.write_text(f"{secret}\n")
            self.written.replace(self.path)
        except OSError as error:
            message = f"{self.path} cannot be written: {error.strerror}. The new secret is lost: make another"
            raise click.ClickException(message) from error


@contextmanager
def secret_file(path: Path, replaced: str | None) -> Iterator[NewSecretFile]:
    """Open the file for a new secret; raises `click.ClickException` when there can be none.

    An existing file is overwritten only if it holds ``replaced``, which the new secret replaces; ``replaced`` may be
    the beginning of that secret. A vendor shows a secret once: what another file holds would be lost.
    """
    try:
        if path.exists() and not (replaced and path.read_text(errors="replace").strip().startswith(replaced)):
            raise click.ClickException(f"{path} exists and may hold another secret: give another --out FILE")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600
        os.close(handle)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}; give another --out FILE") from error
    made = NewSecretFile(path, Path(name))
    try:
        yield made
    finally:
        made.written.unlink(missing_ok=True)
