"""A variable's text: from the environment, or from the mounted file that ``<VARIABLE>_FILE`` names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workers.app.config.errors import ConfigError, Fault

FILE = "_FILE"
LARGEST = 1024 * 1024  # bytes: a mounted value is short; this stops a wrong path (a log, a device) early


def read_variable(environ: Mapping[str, str], name: str) -> str | None:
    """The text of ``name`` or of the file that ``name_FILE`` names; None when neither is set, or set empty.

    Raises `ConfigError` when both are set, or the file cannot be used.
    """
    text, path = environ.get(name) or None, environ.get(name + FILE) or None
    if path is None:
        return text
    if text is not None:
        raise ConfigError([Fault(name, f"set {name} or {name}{FILE}, not both")])
    return _read_file(name + FILE, Path(path))


def file_text(raw: bytes) -> str:
    """A mounted file's content: UTF-8, without the one newline that editors add; raises UnicodeDecodeError."""
    text = raw.decode("utf-8")
    return text.removesuffix("\n").removesuffix("\r")


def _read_file(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file_text(file.read(LARGEST))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError([Fault(variable, f"cannot read {path}: {reason}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Fault(variable, f"{path} is not UTF-8 text")]) from None
    if not text:
        raise ConfigError([Fault(variable, f"{path} is empty")])
    return text


def text_fault(place: str, text: str) -> Fault | None:
    """What is wrong with a text that will stand in a header or a URL: a control character would split it."""
    if any(ord(letter) < ord(" ") or ord(letter) == 0x7F for letter in text):  # noqa: PLR2004 - DEL
        return Fault(place, "holds a control character or a line break; give the value alone")
    if text != text.strip():
        return Fault(place, "starts or ends with white space; give the value alone")
    return None
