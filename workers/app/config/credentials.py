"""A vendor's variables for one worker, read again when a mounted file changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from workers.app.config.errors import ConfigError, Fault, nearest
from workers.app.config.urls import url_fault
from workers.app.config.variables import FILE, LARGEST, file_text, read_variable, text_fault
from workers.edges.log import log
from workers.vendors.contract import Variable, Vendor

Signature: TypeAlias = tuple[int, int, int]


class VendorCredentials:
    """Implements `workers.vendors.Credentials`; ``version`` grows whenever a mounted file brought a new value.

    A file that is gone, empty or wrong keeps the former value, and the log says so: a key
    that is being replaced must not stop deliveries half-way.
    """

    def __init__(self, values: Mapping[str, str], files: Iterable[MountedValue]) -> None:
        self._values = dict(values)
        self._files = {file.name: file for file in files}
        self._version = 1

    def __getitem__(self, name: str) -> str:
        """The variable's present value; an optional one that is not set is the empty string."""
        file = self._files.get(name)
        if file is not None:
            self._refresh(file)
        return self._values[name]

    def __repr__(self) -> str:
        return f"VendorCredentials({', '.join(self._values)})"

    @property
    def version(self) -> int:
        """Looks at the files; a number that differs from the last one means that a value has changed."""
        for file in self._files.values():
            self._refresh(file)
        return self._version

    def _refresh(self, file: MountedValue) -> None:
        text = file.changed()
        if text is not None and text != self._values[file.name]:
            self._values[file.name] = text
            self._version += 1


@dataclass(slots=True)
class MountedValue:
    """One mounted file and how it looked when it was last read."""

    name: str  # the variable, without its prefix
    place: str  # the full name of the variable that names the file
    path: Path
    allow_http: bool
    seen: Signature | None = None
    said: str = ""  # what is wrong with the file: said once

    def changed(self) -> str | None:
        """The file's new text if it differs from the last look and can be used, else None."""
        try:
            if _signature(self.path.stat()) == self.seen:
                return None
            text = self._read()
            fault = value_fault(self.name, "", text, allow_http=self.allow_http) if text else Fault("", "is empty")
        except OSError as error:
            fault = Fault("", f"cannot be read: {(error.strerror or type(error).__name__).lower()}")
        except UnicodeDecodeError:
            fault = Fault("", "is not UTF-8 text")
        self._say("" if fault is None else fault.message)
        return text if fault is None else None

    def _read(self) -> str:
        with self.path.open("rb") as file:
            # Taken from the open file: a rename between look and read must not mark the new file as seen.
            self.seen = _signature(os.fstat(file.fileno()))
            return file_text(file.read(LARGEST))

    def _say(self, wrong: str) -> None:
        if wrong and wrong != self.said:
            detail = f"{self.path}: {wrong}; the former value stays"
            log.warning("mounted_file_unusable", variable=self.place, detail=detail)
        self.said = wrong


def load_credentials(
    vendor: Vendor, prefix: str, environ: Mapping[str, str], *, allow_http: bool = False
) -> VendorCredentials:
    """The variables that ``vendor`` declares, under ``prefix``; raises `ConfigError` with every fault in them."""
    values: dict[str, str] = {}
    files: list[MountedValue] = []
    faults: list[Fault] = []
    for variable in vendor.variables:
        full = f"{prefix}_{variable.name}"
        try:
            values[variable.name] = _value(vendor, variable, full, environ, allow_http=allow_http)
        except ConfigError as error:
            faults += error.faults
        if environ.get(full + FILE):
            files.append(MountedValue(variable.name, full + FILE, Path(environ[full + FILE]), allow_http))
    if faults:
        raise ConfigError(faults)
    credentials = VendorCredentials(values, files)
    if vendor.variables_fault is not None and (found := vendor.variables_fault(credentials)) is not None:
        raise ConfigError([Fault(f"{prefix}_{found[0]}", found[1])])
    return credentials


def mounted(name: str, text: str | None, environ: Mapping[str, str]) -> str | Callable[[], str] | None:
    """The text of variable ``name``; of one that a file holds, a function that gives the file's present text."""
    path = environ.get(name + FILE)
    if not text or not path:
        return text
    present = VendorCredentials({name: text}, [MountedValue(name, name + FILE, Path(path), allow_http=False)])
    return lambda: present[name]


def value_fault(variable: str, place: str, text: str, *, allow_http: bool) -> Fault | None:
    """What is wrong with a vendor variable's text, or None; addresses are known by their name ``..._URL``."""
    fault = text_fault(place, text)
    if fault is None and variable.endswith("URL"):
        fault = url_fault(place, text, allow_http=allow_http)
    return fault


def _value(vendor: Vendor, variable: Variable, full: str, environ: Mapping[str, str], *, allow_http: bool) -> str:
    text = read_variable(environ, full) or variable.default
    if text is None and variable.required:
        raise ConfigError([Fault(full, _missing(vendor, full, environ))])
    fault = value_fault(variable.name, full, text, allow_http=allow_http) if text else None
    if fault is not None:
        raise ConfigError([fault])
    return text or ""


def _missing(vendor: Vendor, full: str, environ: Mapping[str, str]) -> str:
    near = nearest(full, [name for name in environ if name not in {full, full + FILE}], cutoff=0.85)
    hint = f"; did you mean it by '{near}', which is set?" if near else ""
    return f"needed for {vendor.title}: set it, or {full}{FILE} to the path of a file that holds it{hint}"


def _signature(stat: os.stat_result) -> Signature:
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
