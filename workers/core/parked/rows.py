"""Rows of the parked state: the fence of each parked order, and operators' commands to the partition's owner."""

import json
from collections.abc import Mapping
from sys import intern
from typing import Any

import orjson

from workers.core.parked.commands import COMMANDS, ROW_VERSION, Command, read_command
from workers.core.parked.fence import Fence, ParkReason


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
