"""Builds requests to a vendor's address, with as little work per call as httpx allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import httpx

HeaderPairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

REDACTED: Final = "***"  # in place of a secret
OPERATION: Final = "operation"  # extension of a request
IsAbsence: TypeAlias = Callable[[httpx.Response], bool]
"""Whether an answer to a look-up means that the vendor has no such order."""

_LOOK_UP: Final = "look_up"
JSON_HEADERS: Final[HeaderPairs] = ((b"Content-Type", b"application/json"), (b"Accept", b"application/json"))


def look_up(is_absence: IsAbsence) -> dict[str, Any]:
    """Extensions of a request that only asks whether the vendor has an order."""
    return {_LOOK_UP: is_absence}


def is_not_found(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.NOT_FOUND


LOOK_UP: Final = look_up(is_not_found)


def is_look_up(request: httpx.Request) -> bool:
    return _LOOK_UP in request.extensions


def says_absent(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether the answer says that the vendor has no such order: an answer to a look-up, and no error."""
    is_absence: IsAbsence | None = request.extensions.get(_LOOK_UP)
    return is_absence is not None and is_absence(response)


class SetUpError(ValueError):
    """A vendor's variable is unusable in a request."""


def base_address(base_url: str, example: str) -> httpx.URL:
    """Return the address without its last slash; raises `SetUpError`, which shows ``example``."""
    try:
        base = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise SetUpError("{BASE_URL} is no URL") from error
    if base.scheme not in {"http", "https"} or not base.host or base.query or base.fragment or base.userinfo:
        raise SetUpError(f"{{BASE_URL}} must be a plain address such as {example}")
    return base


def below(base: httpx.URL, path: bytes) -> httpx.URL:
    """Return the address of a fixed path below the base; raises `SetUpError`."""
    whole = base.raw_path.rstrip(b"/") + path
    url = base.copy_with(raw_path=whole)
    if url.raw_path != whole:
        raise SetUpError("{BASE_URL} has a path that the request would change")
    return url


def in_a_header(text: str) -> bool:
    """Whether a header can hold the text unchanged."""
    return text.isascii() and text.isprintable() and text.strip() == text != ""


def built(
    method: str,
    url: httpx.URL,
    headers: HeaderPairs,
    body: bytes = b"",
    extensions: dict[str, Any] | None = None,
    *,
    operation: str = "",
) -> httpx.Request:
    """Build a request. With a given stream httpx adds no headers of its own: 4 us instead of 14.

    ``operation``: what it does, in the vendor's word, for metrics; never an id. The default: its method.
    """
    if operation:
        extensions = {**(extensions or {}), OPERATION: operation}
    sent = [*headers, (b"Content-Length", b"%d" % len(body))] if body else [*headers]
    request = httpx.Request(method, url, headers=sent, stream=httpx.ByteStream(body), extensions=extensions)
    request.read()
    return request
