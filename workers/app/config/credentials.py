"""A vendor's variables for one worker, read again when a mounted file changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from workers.app.config.errors import ConfigError, Fault, nearest, reason_of
from workers.app.config.variables import FILE, MAX_FILE_BYTES, file_text, read_variable, text_problem, url_problem
from workers.edges.http.variable_names import UNNAMED, VariableNames
from workers.edges.log import log
from workers.vendors.contract import Variable, Vendor

_UNKNOWN: Final = "?"
Signature: TypeAlias = tuple[int, int, int]


class VendorCredentials:
    """Implements `workers.vendors.contract.Credentials`; ``version`` grows whenever a mounted file brought a new value.

    While a file is missing, empty or wrong, the former value stays, and the log says so: deliveries
    go on while a key is being replaced.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        files: Iterable[MountedValue],
        secrets: Iterable[str] = (),
        names: VariableNames = UNNAMED,
    ) -> None:
        """``secrets``: the names of those that no log may show."""
        self.names = names
        self._values = dict(values)
        self._secrets = tuple(secrets)
        self._files = {file.name: file for file in files}
        self._version = 1

    def __getitem__(self, name: str) -> str:
        """The variable's present value; the empty string for an optional one that is not set."""
        file = self._files.get(name)
        if file is not None:
            self._refresh(file)
        return self._values[name]

    def __repr__(self) -> str:
        return f"VendorCredentials({', '.join(self._values)})"

    @property
    def secrets(self) -> list[str]:
        """The present values of the variables that are secret and set."""
        return [value for name in self._secrets if (value := self._values[name])]

    def place(self, name: str) -> str:
        """Where a variable's value comes from: its full name, or that of its file with the path."""
        file = self._files.get(name)
        return self.names.full(name) if file is None else f"{file.place}={file.path}"

    @property
    def version(self) -> int:
        """Read the files again if they changed; a higher number than last time means that a value is new."""
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
    logged: str = ""  # the problem that the log holds already

    def changed(self) -> str | None:
        """The file's new text if it differs from the last look and can be used, else None."""
        try:
            if _signature(self.path.stat()) == self.seen:
                return None
            text = self._read()
            problem = value_problem(self.name, text, allow_http=self.allow_http) if text else "is empty"
        except OSError as error:
            problem = f"cannot be read: {reason_of(error)}"
        except UnicodeDecodeError:
            problem = "is not UTF-8 text"
        self._log(problem)
        return text if problem is None else None

    def _read(self) -> str:
        with self.path.open("rb") as file:
            # Of the open file, not of its path: a file replaced between stat and read would count as seen.
            self.seen = _signature(os.fstat(file.fileno()))
            return file_text(file.read(MAX_FILE_BYTES))

    def _log(self, problem: str | None) -> None:
        if problem and problem != self.logged:
            detail = f"{self.path}: {problem}; the former value stays"
            log.warning("mounted_file_unusable", variable=self.place, detail=detail)
        self.logged = problem or ""


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
    names = VariableNames(prefix, [one.name for one in vendor.variables])
    faults += _faults_between(vendor, names, values)
    if faults:
        raise ConfigError(faults)
    return VendorCredentials(values, files, [one.name for one in vendor.variables if one.secret], names)


def _faults_between(vendor: Vendor, names: VariableNames, values: Mapping[str, str]) -> Iterator[Fault]:
    """Faults of variables that go together. One that has a fault of its own counts as given: its value is unknown."""
    if vendor.variables_faults is None:
        return
    given = VendorCredentials({one.name: values.get(one.name, _UNKNOWN) for one in vendor.variables}, ())
    for name, message in vendor.variables_faults(given):
        if name in values:
            yield Fault(names.full(name), names.in_text(message))


def mounted(name: str, text: str | None, environ: Mapping[str, str]) -> str | Callable[[], str] | None:
    """The text of variable ``name``; of one that a file holds, a function that gives the file's present text."""
    path = environ.get(name + FILE)
    if not text or not path:
        return text
    present = VendorCredentials({name: text}, [MountedValue(name, name + FILE, Path(path), allow_http=False)])
    return lambda: present[name]


def value_problem(variable: str, text: str, *, allow_http: bool) -> str | None:
    """Why a vendor variable's text cannot be used, or None. Variables named ``..._URL`` hold addresses."""
    problem = text_problem(text)
    if problem is None and variable.endswith("URL"):
        return url_problem(text, allow_http=allow_http)
    return problem


def _value(vendor: Vendor, variable: Variable, full: str, environ: Mapping[str, str], *, allow_http: bool) -> str:
    text = read_variable(environ, full) or variable.default
    if text is None and variable.required:
        raise ConfigError([Fault(full, _missing(vendor, full, environ))])
    problem = value_problem(variable.name, text, allow_http=allow_http) if text else None
    if problem is not None:
        raise ConfigError([Fault(full, problem)])
    return text or ""


def _missing(vendor: Vendor, full: str, environ: Mapping[str, str]) -> str:
    near = nearest(full, [name for name in environ if name not in {full, full + FILE}], cutoff=0.85)
    hint = f"; '{near}' is set: is it a misspelling?" if near else ""
    return f"needed for {vendor.title}: set it, or {full}{FILE} to the path of a file that holds it{hint}"


def _signature(stat: os.stat_result) -> Signature:
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
