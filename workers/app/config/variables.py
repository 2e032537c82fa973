"""A variable's text, from the environment or from the mounted file that ``<VARIABLE>_FILE`` names, and its checks."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from workers.app.config.errors import ConfigError, Fault, reason_of

FILE = "_FILE"
MAX_FILE_BYTES = 1024 * 1024  # a mounted value is short: a wrong path (a log, a device) is not read to its end


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
            text = file_text(file.read(MAX_FILE_BYTES))
    except OSError as error:
        raise ConfigError([Fault(variable, f"cannot read {path}: {reason_of(error)}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Fault(variable, f"{path} is not UTF-8 text")]) from None
    if not text:
        raise ConfigError([Fault(variable, f"{path} is empty")])
    return text


def text_problem(text: str) -> str | None:
    """Why a text must not be put into a header or a URL, or None: a control character would split it."""
    if any(ord(letter) < ord(" ") or ord(letter) == 0x7F for letter in text):  # noqa: PLR2004 - DEL
        return "holds a control character or a line break; give the value alone"
    if text != text.strip():
        return "starts or ends with white space; give the value alone"
    return None


def url_problem(url: str, *, allow_http: bool) -> str | None:
    """Why a secret must not be sent to ``url``, or None. The message never holds the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "must be a URL: https://HOST[:PORT][/PATH]"
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or any(letter.isspace() for letter in url):
        return "must be a URL: https://HOST[:PORT][/PATH]"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or password; give them in their own variables"
    if parts.query or parts.fragment:
        return "must not hold a query or a fragment"
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        return "must be https; to send over plain http all the same, set RELAY_ALLOW_HTTP_VENDORS=1"
    return None


def is_loopback(host: str) -> bool:
    """Whether what is sent to ``host`` stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
