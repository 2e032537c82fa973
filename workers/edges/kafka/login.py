"""The password of a login to Kafka, asked for anew at each connection.

kafka-python makes a mechanism for each login, at a connection's start and when the broker wants it repeated, but
takes the password once, with the client's options. Its own registry of mechanisms lets one be made with the
password of the moment: a password that was changed in its file needs no restart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka.net.sasl import get_sasl_mechanism, register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram

_PASSWORD = "sasl_plain_password"  # noqa: S105 - the option's name
_MECHANISMS = {
    "PLAIN": SaslMechanismPlain,
    "SCRAM-SHA-256": SaslMechanismScram,
    "SCRAM-SHA-512": SaslMechanismScram,
}


def ask_for_passwords() -> None:
    """From now on a password may be given to kafka-python as a function; again is the same as once."""
    for name, mechanism in _MECHANISMS.items():
        if get_sasl_mechanism(name) is mechanism:
            register_sasl_mechanism(name, _asking(mechanism), overwrite=True)


def _asking(mechanism: Callable[..., Any]) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        password = options.get(_PASSWORD)
        return mechanism(**options | {_PASSWORD: password() if callable(password) else password})

    return make
