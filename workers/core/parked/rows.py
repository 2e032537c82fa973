"""Rows of the parked state: operators' commands to the partition's owner, and the fence of each parked order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final, TypeAlias, assert_never

import orjson

from workers.core.parked.fence import Fence, ParkReason

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
    id: str
    orders: Mapping[str, int]  # order id -> ``since_ms`` of the fence that the operator saw; a later one is left alone
    expires_ms: int
    taken: bool = False  # an owner has begun it: the partition's next owner goes on with it, expired or not
    by: str = ""  # who asked; a row of an older release does not say
    why: str = ""


@dataclass(frozen=True, slots=True)
class DiscardCommand:
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
            row |= {"by": command.by, "why": command.why}
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
        asked = str(row.get("by", "")), str(row.get("why", ""))
        return ReplayCommand(str(row["id"]), orders, expires, bool(row["taken"]), *asked)
    who = str(row["by"]), str(row["why"])
    return DiscardCommand(str(row["id"]), orders, expires, *who, bool(row["first_only"]), bool(row["taken"]))


def fence_row(fence: Fence) -> bytes:
    """The value of the order's row; its key is the order id."""
    row = {
        "version": ROW_VERSION,
        "kind": "fence",
        "reason": fence.reason.value,
        "detail": fence.detail,
        "since": fence.since_ms,
        "records": fence.records,
        "first": fence.first,
        "last": fence.last,
        "opens": fence.creates_order,
        "mended": fence.create_delivered,
        "replays": fence.replays,
        "command": fence.command,
        "passes": fence.non_blocking,
        "overtaken": fence.superseded,
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def read_row(value: bytes) -> Fence | Command:
    """Read a row of the parked state; raises `ValueError` when it is not ours."""
    row = orjson.loads(value)
    if not isinstance(row, dict) or row.get("version") != ROW_VERSION:
        raise ValueError("a row of an unknown version")
    try:
        return read_command(row) if row["kind"] in COMMANDS else _fence(row)
    except (KeyError, TypeError) as error:
        raise ValueError(f"a row that lacks {error}") from error


def _fence(row: Mapping[str, Any]) -> Fence:
    return Fence(
        reason=ParkReason(row["reason"]),
        detail=intern(str(row["detail"])),  # a hundred thousand orders may be refused in the same words
        since_ms=int(row["since"]),
        records=int(row["records"]),
        first=row["first"],
        last=row["last"],
        creates_order=bool(row["opens"]),
        create_delivered=bool(row["mended"]),
        replays=int(row["replays"]),
        command=row["command"],
        non_blocking=bool(row["passes"]),
        superseded=int(row.get("overtaken", 0)),
    )
