"""Whether today's schemas may stand beside every recorded version of theirs (FULL_TRANSITIVE).

Publishers and subscribers change over at different times, so whoever holds any
version must be able to read what is written with any other. Apache's checker is
the judge of each pair. Our own walk finds the same places and says who is hurt
and what to write instead; it adds changes of meaning, which the judge passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from workers.edges.avro.resolution import Clash, Kind, clashes
from workers.edges.avro.schema_files import Schema, Schemas, Topic
from workers.edges.avro.schema_tree import Type, named_types, plain

Hurts: TypeAlias = Literal["publishers", "subscribers"]


@dataclass(frozen=True, slots=True)
class Break:
    """One thing in today's schema of a topic that hurts somebody."""

    topic: str
    path: str  # such as order.lines[].unit_price; empty: the record as a whole
    former_version: int | None  # the recorded version that it breaks with; None: it differs from another topic's
    hurts: Hurts  # who still uses the former version
    what: str  # what was changed
    instead: str  # what to write instead

    def __str__(self) -> str:
        against = "" if self.former_version is None else f" ({self.hurts} with version {self.former_version})"
        return f"{self.topic}: {self.path or 'the record'}: {self.what}{against}; {self.instead}"


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Today's schema breaks nothing, but its history lacks it: what is written with it may become unreadable."""

    topic: str
    file: Path  # where to keep a copy of it

    def __str__(self) -> str:
        return f"{self.topic}: a new version; record it as {self.file}"


def check(schemas: Schemas) -> list[Break | Unrecorded]:
    """Judge every topic's schema of today; an empty list: all is well."""
    found: list[Break | Unrecorded] = [*differing_types(schemas)]
    for topic in schemas.values():
        broken = list(breaks(topic))
        found += broken
        recorded = topic.history and topic.history[-1].tree == topic.today.tree
        if not broken and not recorded:
            found.append(Unrecorded(topic.name, topic.next_file))
    return found


def breaks(topic: Topic) -> Iterator[Break]:
    """Judge one topic's schema of today: with every recorded version, both ways."""
    for version, former in enumerate(topic.history, start=1):
        yield from _of_pair(topic, version, former, "publishers")
        yield from _of_pair(topic, version, former, "subscribers")


def differing_types(schemas: Schemas) -> Iterator[Break]:
    """Find named types that two topics use and define differently: a program that reads both knows only one."""
    first: dict[str, tuple[str, Type]] = {}
    for topic in schemas.values():
        for name, tree in named_types(topic.today.tree).items():
            elsewhere, known = first.setdefault(name, (topic.name, tree))
            if known != tree:
                what = f"{name} differs from {name} in {elsewhere}"
                yield Break(topic.name, name, None, "subscribers", what, "write both the same")


def _of_pair(topic: Topic, version: int, former: Schema, hurts: Hurts) -> Iterator[Break]:
    today = topic.today
    reader, writer = (today, former) if hurts == "publishers" else (former, today)
    found = list(clashes(reader.tree, writer.tree))
    broken = _judge_refuses(reader, writer)
    for clash in found:
        if broken or clash.kind == "meaning":
            yield _told(clash, topic.name, version, hurts)
    if broken and all(clash.kind == "meaning" for clash in found):
        what = "Apache Avro's compatibility check refuses the change"
        yield Break(topic.name, "", version, hurts, what, "write it as it was and add a new field with a default")


def _judge_refuses(reader: Schema, writer: Schema) -> bool:
    wanted, written = (avro.schema.parse(json.dumps(plain(schema.tree))) for schema in (reader, writer))
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call] # Apache's own is partly typed
    verdict = checker.get_compatibility(wanted, written)
    return bool(verdict.compatibility is not SchemaCompatibilityType.compatible)


_BESIDE: Final = "keep {was}, and add a new field with a default for {now}"
_TEXTS: Final[dict[tuple[Kind, Hurts], tuple[str, str]]] = {
    ("field", "publishers"): ("added without a default", "give it a default"),
    ("field", "subscribers"): ("removed, and it had no default", "keep the field"),
    ("rename", "publishers"): ("{was} renamed to {now}", "keep {was}, and add {now} beside it with a default"),
    ("rename", "subscribers"): ("{was} renamed to {now}", "keep {was}, and add {now} beside it with a default"),
    ("type", "publishers"): ("type changed from {was} to {now}", _BESIDE),
    ("type", "subscribers"): ("type changed from {was} to {now}", _BESIDE),
    ("meaning", "publishers"): ("meaning changed from {was} to {now}", _BESIDE),
    ("meaning", "subscribers"): ("meaning changed from {was} to {now}", _BESIDE),
    ("symbol", "publishers"): ("symbol {was} removed from the enum", "keep the symbol, or give the enum a default"),
    ("symbol", "subscribers"): (
        "symbol {now} added to an enum that had no default",
        "keep the symbols, and add a new field whose enum has a default from the start",
    ),
    ("branch", "publishers"): ("{was} taken out of the union", "keep {was} in the union"),
    ("branch", "subscribers"): ("{now} added to what it may be", "keep the type, and add a new field with a default"),
    ("name", "publishers"): ("type renamed from {was} to {now}", "keep the name {was}"),
    ("name", "subscribers"): ("type renamed from {was} to {now}", "keep the name {was}"),
}


def _told(clash: Clash, topic: str, version: int, hurts: Hurts) -> Break:
    was, now = (clash.written, clash.wanted) if hurts == "publishers" else (clash.wanted, clash.written)
    what, instead = (text.format(was=was, now=now) for text in _TEXTS[clash.kind, hurts])
    return Break(topic, clash.path, version, hurts, what, instead)
