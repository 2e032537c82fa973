"""Commands of operators to the worker that owns a partition: the rows of the parked state that are no fences."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

ROW_VERSION: Final = 1  # of every row of the parked state

COMMANDS: Final = ("offsets", "replay", "discard")


@dataclass(frozen=True, slots=True)
class RestartAt:
    """Fetch a stopped topic again, from an offset."""

    topic: str
    offset: int
    expires_ms: int  # milliseconds since 1970: an old command must not run after a restart


@dataclass(frozen=True, slots=True)
class ReplayCommand:
    """Replay these orders' parked records."""

    id: str
    orders: Mapping[str, int]  # order id -> ``since_ms`` of the fence that the operator saw; a later one is left alone
    expires_ms: int
    taken: bool = False  # an owner has begun it: the partition's next owner goes on with it, expired or not


@dataclass(frozen=True, slots=True)
class DiscardCommand:
    """Give up these orders' parked records."""

    id: str
    orders: Mapping[str, int]  # as above
    expires_ms: int
    by: str
    why: str
    first_only: bool = False  # only on the first of each order
    taken: bool = False  # as above


Command: TypeAlias = RestartAt | ReplayCommand | DiscardCommand


def command_key(name: str) -> bytes:
    """The row's key; no order id has a control character, so it never meets a fence."""
    return f"\0{name}".encode()


def is_command(key: bytes) -> bool:
    """Whether a row with this key may be a command; the only fence with such a key is that of `fence.NO_KEY`."""
    return key.startswith(b"\0")


def command_row(command: Command) -> bytes:
    """The row's value."""
    row: dict[str, Any]
    match command:
        case RestartAt(topic, offset, expires_ms):
            row = {"kind": "offsets", "topic": topic, "offset": offset, "expires": expires_ms}
        case ReplayCommand(id=name, orders=orders, expires_ms=expires_ms, taken=taken):
            row = {"kind": "replay", "id": name, "orders": dict(orders), "expires": expires_ms, "taken": taken}
        case DiscardCommand(id=name, orders=orders, expires_ms=expires_ms, taken=taken):
            row = {"kind": "discard", "id": name, "orders": dict(orders), "expires": expires_ms, "taken": taken}
            row |= {"by": command.by, "why": command.why, "first_only": command.first_only}
        case _:
            assert_never(command)
    return json.dumps({"version": ROW_VERSION} | row, ensure_ascii=False, separators=(",", ":")).encode()


def read_command(row: Mapping[str, Any]) -> Command:
    """Read a row whose ``kind`` is one of `COMMANDS`; raises `KeyError`, `TypeError` and `ValueError`."""
    expires = int(row["expires"])
    if row["kind"] == "offsets":
        return RestartAt(str(row["topic"]), int(row["offset"]), expires)
    orders = {str(order_id): int(since) for order_id, since in row["orders"].items()}
    if row["kind"] == "replay":
        return ReplayCommand(str(row["id"]), orders, expires, bool(row["taken"]))
    who = str(row["by"]), str(row["why"])
    return DiscardCommand(str(row["id"]), orders, expires, *who, bool(row["first_only"]), bool(row["taken"]))
