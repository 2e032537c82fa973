"""Why a broker cannot be reached: the cause in a few words, with what to do."""

from __future__ import annotations

import os
import re
from errno import errorcode
from typing import Final, NamedTuple

from kafka.errors import (
    IllegalSaslStateError,
    InvalidReceiveError,
    KafkaTimeoutError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from workers.edges.tls import TRUST_HINT

_ADDRESS: Final = "KAFKA_BOOTSTRAP_SERVERS"
_PROTOCOL: Final = "KAFKA_SECURITY_PROTOCOL"
_LOGIN: Final = "KAFKA_SASL_USERNAME, _PASSWORD and _MECHANISM"
_ERRNO = re.compile(r"\b(E[A-Z]{3,})$|\[Errno (\d+)\]")
_NUMBERS = {name: number for number, name in errorcode.items()}


class Cause(NamedTuple):
    """What happened at the connection, and what to do."""

    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what}; {self.advice}"


CLOSED: Final = Cause("the broker closed the connection", f"check {_PROTOCOL}: that port may want TLS or a login")
NO_ANSWER: Final = Cause("no answer", f"check that it runs, {_ADDRESS} and {_PROTOCOL}")


SILENT = frozenset({"KafkaTimeoutError", "KafkaConnectionError", "NodeNotReadyError", "RequestTimedOutError"})
"""Names of the errors that say: no broker has answered."""


class Unreachable(KafkaTimeoutError):  # type: ignore[misc] # noqa: N818 - kafka-python has no types; no broker's error
    """No broker of ``servers`` has let us in; the text is the whole sentence, with the cause and what to do."""

    def __init__(self, servers: str, cause: Cause) -> None:
        super().__init__(unreachable(servers, cause))
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0])


def unreachable(servers: str, cause: Cause) -> str:
    """The sentence of every command."""
    return f"cannot reach Kafka at {servers}: {cause}"


def cause_of(error: BaseException | None) -> Cause:
    """The cause that an error of a connection stands for; None: nothing has come back yet."""
    match error:
        case Unreachable():
            return error.cause
        case None | KafkaTimeoutError() | RequestTimedOutError():
            return NO_ANSWER
        case IllegalSaslStateError() | UnsupportedSaslMechanismError():
            return Cause("login: the broker offers no such login", f"check {_PROTOCOL} and KAFKA_SASL_MECHANISM")
        case SaslAuthenticationFailedError():
            return Cause("login refused", f"check {_LOGIN}")
        case InvalidReceiveError():
            return Cause("the answer is not Kafka's", f"check {_ADDRESS} and {_PROTOCOL}: that port may want TLS")
        case _:
            return _of_text(str(error))


def _of_text(text: str) -> Cause:
    """kafka-python puts the system's and TLS's own errors into texts."""
    if "DNS" in text:
        return Cause("name not found", f"check {_ADDRESS}")
    if "Handshake failed" in text:
        return _of_handshake(text.partition("Handshake failed: ")[2])
    if "timed out" in text:
        return NO_ANSWER
    if found := _ERRNO.search(text):
        number = _NUMBERS.get(found[1], 0) if found[1] else int(found[2])
        return Cause(os.strerror(number).lower(), f"check that it runs, and {_ADDRESS}")
    return CLOSED


def _of_handshake(text: str) -> Cause:
    reason = re.sub(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$", "", text)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Cause(f"TLS: {reason}", TRUST_HINT)
    return Cause(f"TLS: no handshake ({reason})", f"check {_PROTOCOL}: that port may not speak TLS")
