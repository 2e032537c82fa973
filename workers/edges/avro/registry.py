"""A schema registry that speaks Confluent's API, asked over httpx.

It fails in two ways. `RegistryUnavailable` says nothing about a schema (no
answer, an error of the registry's own, access refused, no registry at that
address): records that need the schema go on waiting. `RegistryRefused` is the
registry's judgement on the schema: waiting would not help.
"""

import asyncio
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote
from uuid import UUID

import httpx

from workers.edges.avro.framing import SchemaId, schema_name
from workers.edges.proxies import proxy_for
from workers.edges.tls import TRUST_HINT, certificate_fault, tls_context

_TIMEOUT_S: Final = 10.0  # for a whole request with its answer
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # a schema is a few KB
_NOT_FOUND: Final = frozenset({40401, 40402, 40403})  # error codes of the API: no such subject, version, schema
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_ACCESS_REFUSED: Final = frozenset({401, 403})
_TRY_LATER: Final = frozenset({408, 425, 429})
_MAX_REFERENCES: Final = 200  # of one schema, those of its references among them


class RegistryUnavailable(Exception):  # noqa: N818 - a fact about the registry
    """No answer about a schema; one line: what happened, where, what to do."""


class RegistryRefused(Exception):  # noqa: N818 - the same
    """The registry's judgement on a schema; one line."""


class SchemaMissing(Exception):  # noqa: N818 - the same
    """The registry answers that it has no schema of that id, or lacks one that the schema refers to; one line."""


class WriterSchema(NamedTuple):
    """A schema's text, and the texts of those that it refers to, each after those that it refers to itself."""

    text: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """The latest version of a subject."""

    schema_id: int
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Registry:
    """A client of one registry. A registry never changes a schema or its id, so each answer is kept."""

    client: httpx.AsyncClient
    timeout: float = _TIMEOUT_S
    _schemas: dict[SchemaId, WriterSchema] = field(default_factory=dict)
    _ids: dict[tuple[str, str], int] = field(default_factory=dict)

    async def schema(self, schema_id: SchemaId) -> WriterSchema:
        """Fetch a schema by its id or GUID, with all that it refers to.

        Raises `SchemaMissing`, `RegistryRefused` when the schema is no Avro, and `RegistryUnavailable`.
        """
        if schema_id not in self._schemas:
            kind = "guids" if isinstance(schema_id, UUID) else "ids"
            answer = await self._ask("GET", f"/schemas/{kind}/{schema_id}")
            if answer is None:
                raise SchemaMissing(f"the registry does not know {schema_name(schema_id)}")
            references = await self._references(answer, schema_name(schema_id), "", set())
            self._schemas[schema_id] = WriterSchema(self._text(answer, "schema"), tuple(references))
        return self._schemas[schema_id]

    async def find(self, subject: str, text: str) -> int | None:
        """Look up the id of exactly this schema under a subject; None when it is not registered."""
        if (subject, text) not in self._ids:
            answer = await self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": text})
            if answer is None:
                return None
            self._ids[subject, text] = self._number(answer, "id")
        return self._ids[subject, text]

    async def register(self, subject: str, text: str) -> int:
        """Register a schema as the subject's next version and return its id; a registered one makes no new version."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = await self._ask("POST", path, {"schema": text})
        if answer is None:
            raise self._no_registry(path)
        self._ids[subject, text] = self._number(answer, "id")
        return self._ids[subject, text]

    async def latest(self, subject: str) -> Registered | None:
        """Fetch the latest version of a subject; None when it has none."""
        answer = await self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/latest")
        if answer is None:
            return None
        return Registered(self._number(answer, "id"), self._number(answer, "version"), self._text(answer, "schema"))

    async def incompatibilities(self, subject: str, text: str) -> tuple[str, ...]:
        """Ask why a schema may not follow the subject's latest version; empty: it may, or there is no version.

        A registry without the ``verbose`` option gives its verdict alone.
        """
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
        answer = await self._ask("POST", path, {"schema": text})
        if answer is None or answer.get("is_compatible") is True:
            return ()
        if answer.get("is_compatible") is not False:
            raise self._garbage(path)
        messages = answer.get("messages")
        reasons = tuple(str(message) for message in messages) if isinstance(messages, list) else ()
        return reasons or ("the registry calls it incompatible and gives no reason",)

    async def close(self) -> None:
        await self.client.aclose()

    async def _references(self, answer: Mapping[str, Any], name: str, subject: str, seen: set[str]) -> list[str]:
        """Fetch the texts that a schema refers to; ``seen``: their names so far, so that a circle ends.

        Of one name in two versions the first counts, as in Confluent's clients.
        """
        kind = str(answer.get("schemaType") or "AVRO").upper()
        if kind != "AVRO":
            raise RegistryRefused(f"{name} is a {kind} schema, and the relay reads Avro")
        texts: list[str] = []
        for known_as, inner_subject, version in _references_in(answer, name, subject):
            if known_as in seen:
                continue
            seen.add(known_as)
            if len(seen) > _MAX_REFERENCES:
                raise RegistryRefused(f"{name} refers to more than {_MAX_REFERENCES} schemas")
            place = f"{inner_subject} version {version}"
            inner = await self._version(inner_subject, version)
            if inner is None:
                raise SchemaMissing(f"{name} refers to {place}, which the registry does not have")
            texts += [*await self._references(inner, place, inner_subject, seen), self._text(inner, "schema")]
        return texts

    async def _version(self, subject: str, version: str) -> dict[str, Any] | None:
        path = f"/subjects/{quote(subject, safe='')}/versions/{quote(version, safe='')}"
        # A subject may be deleted softly while schemas refer to it.
        return await self._ask("GET", path) or await self._ask("GET", f"{path}?deleted=true")

    async def _ask(self, method: Literal["GET", "POST"], path: str, body: Any = None) -> dict[str, Any] | None:
        """Send one request; None: the registry has no such subject, version or schema."""
        status, answer = await self._send(method, path, body)
        if status == httpx.codes.OK and isinstance(answer, dict):
            return answer
        if status == httpx.codes.NOT_FOUND:
            await self._assert_registry(path, answer)
            return None
        raise self._failure(status, answer, path)

    async def _assert_registry(self, path: str, answer: Any) -> None:
        """Accept a 404 only from a registry: a wrong address must not make every record undecodable."""
        if isinstance(answer, dict) and answer.get("error_code") in _NOT_FOUND:
            return
        status, subjects = await self._send("GET", "/subjects", None)
        if status != httpx.codes.OK or not isinstance(subjects, list):
            raise self._no_registry(path)

    async def _send(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        try:
            async with (
                asyncio.timeout(self.timeout),
                self.client.stream(method, path.lstrip("/"), content=_content(body)) as response,
            ):
                return response.status_code, _parsed(await self._read(response))
        except TimeoutError as error:
            raise RegistryUnavailable(f"{self._place}: no answer within {self.timeout:g} s; does it run?") from error
        except httpx.HTTPError as error:
            refused = _certificate_error(error)
            detail = f"{certificate_fault(refused)}; {TRUST_HINT}" if refused else str(error) or type(error).__name__
            raise RegistryUnavailable(
                f"{self._place}: cannot be reached: {detail}; is SCHEMA_REGISTRY_URL right?"
            ) from error

    async def _read(self, response: httpx.Response) -> bytes:
        taken = bytearray()
        async for chunk in response.aiter_bytes():
            taken += chunk
            if len(taken) > _MAX_ANSWER_BYTES:
                raise RegistryUnavailable(f"{self._place}: the answer is over {_MAX_ANSWER_BYTES} bytes")
        return bytes(taken)

    def _failure(self, status: int, answer: Any, path: str) -> Exception:
        if status in _ACCESS_REFUSED:
            return RegistryUnavailable(
                f"{self._place}: access refused ({status}); see SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD"
            )
        if status < 400 or not isinstance(answer, dict) or "message" not in answer:  # noqa: PLR2004 - HTTP
            return self._garbage(path, status)
        message = " ".join(str(answer["message"]).split())
        line = f"{self._place}: {message[:400]} ({status})"
        return RegistryUnavailable(line) if status >= 500 or status in _TRY_LATER else RegistryRefused(line)  # noqa: PLR2004

    def _garbage(self, path: str, status: int = 200) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"{self._place}: answered {status} to {path} with a body that is not of the registry API"
        )

    def _no_registry(self, path: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"{self._place}: answered 404 to {path}; is SCHEMA_REGISTRY_URL the address of a registry?"
        )

    @property
    def _place(self) -> str:
        """The registry's address without its user part, which may hold a password."""
        url = self.client.base_url
        return f"schema registry {url.scheme}://{url.netloc.decode('ascii')}"

    def _text(self, answer: Mapping[str, Any], key: str) -> str:
        value = answer.get(key)
        if not isinstance(value, str):
            raise self._garbage(f"a question for {key!r}")
        return value

    def _number(self, answer: Mapping[str, Any], key: str) -> int:
        value = answer.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._garbage(f"a question for {key!r}")
        return value


def connect(
    url: str,
    username: str = "",
    password: str = "",
    timeout: float = _TIMEOUT_S,
    environ: Mapping[str, str] = os.environ,
) -> Registry:
    """Make a client; nothing is sent yet. ``timeout`` is for a whole request, in seconds.

    ``environ`` names the proxy and the authorities, as it does for vendors; raises `ProxyError`.
    """
    tls, proxy = tls_context(environ), proxy_for(httpx.URL(url), environ)
    secret = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
    proxy_tls = tls if proxy and proxy.url.startswith("https:") else None
    client = httpx.AsyncClient(
        trust_env=False,
        verify=tls,
        proxy=None if proxy is None else httpx.Proxy(proxy.url, headers=secret, ssl_context=proxy_tls),
        base_url=url,
        auth=httpx.BasicAuth(username, password) if username or password else None,
        headers={"Accept": f"{_CONTENT_TYPE}, application/json", "Content-Type": _CONTENT_TYPE},
        timeout=timeout,
        follow_redirects=False,
    )
    return Registry(client, timeout)


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """What TLS said, among the causes of httpx's error."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


class Reference(NamedTuple):
    """A version of a subject that a schema refers to, and the name by which it does."""

    name: str
    subject: str
    version: str


def _references_in(answer: Mapping[str, Any], name: str, subject: str) -> Iterator[Reference]:
    """What a schema of the subject refers to; raises `RegistryRefused`."""
    for item in answer.get("references") or ():
        match item:
            case {"name": str(known_as), "subject": str(other), "version": int() | str() as version}:
                yield Reference(known_as, _in_context_of(subject, other), str(version))
            case _:
                raise RegistryRefused(f"{name} refers to schemas in a form that the relay does not read")


def _in_context_of(parent: str, subject: str) -> str:
    """The subject, which a schema of another subject names, in that one's context (``:.context:subject``)."""
    if subject.startswith(":.") or not parent.startswith(":."):
        return subject
    return f"{parent[: parent.index(':', 1) + 1]}{subject}"


def _content(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _parsed(body: bytes) -> Any:
    """The answer's JSON; None: it is no JSON, or is nested too deeply."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
