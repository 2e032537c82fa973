"""``relay topics plan | apply | check``: topics.yaml and schemas/ against the cluster and the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from workers.cli.configured import read_configuration
from workers.cli.output import print_err, show_json, show_line, show_table
from workers.core.counted import counted
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.topics.plan import Change

as_json = click.option("--json", "as_json", is_flag=True, help="The same facts for a machine.")
allow = click.option(
    "--allow-repartition", is_flag=True, help="Raise partition counts where the consumer groups have no lag."
)


@click.group(epilog="Example: relay topics plan && relay topics apply")
def topics() -> None:
    """Compare topics.yaml and schemas/ with the cluster and the registry.

    Nothing is ever deleted, and topics that topics.yaml does not name are left alone.
    """


@topics.command(epilog="Example: relay topics plan --json")
@allow
@as_json
def plan(allow_repartition: bool, as_json: bool) -> int:
    """Show what `apply` would change; changes nothing. Exit status 1: a change is impossible."""
    changes = _planned(read_configuration(), allow_repartition=allow_repartition)
    _show(changes, as_json=as_json)
    return 1 if _counts(changes)["impossible"] else 0


@topics.command(
    short_help="Make the changes, then read all of it back.",
    epilog="Example: RELAY_REPLICATION_FACTOR=1 relay topics apply",
)
@allow
@as_json
def apply(allow_repartition: bool, as_json: bool) -> int:
    """Create topics, set configurations, register schemas; then read all of it back.

    Exit status 1: a difference is left.
    """
    from workers.app.topics.apply import apply_topics

    applied = run_interruptibly(apply_topics(read_configuration(), allow_repartition=allow_repartition))
    if as_json:
        show_json({"made": list(map(asdict, applied.made)), "left": list(map(asdict, applied.left))})
    else:
        for change in applied.made:
            show_line(f"{change.topic}: {change.key}: {change.before} -> {change.after}")
        show_line(f"{counted(len(applied.made), 'change')} made" if applied.made else "no changes")
    for failure in applied.failures:
        print_err(f"relay: {failure.change.topic}: {failure.change.key}: not changed: {failure.why}")
    refused = {failure.change.place for failure in applied.failures}
    _explain([change for change in applied.left if change.place not in refused])
    return 1 if applied.left or applied.failures else 0


@topics.command(
    short_help="Exit with status 1 on any difference.",
    epilog="Example: relay topics check || echo 'not as topics.yaml says'",
)
@as_json
def check(as_json: bool) -> int:
    """Exit with status 1 on any difference, or on a schema change that is not FULL_TRANSITIVE compatible."""
    configuration = read_configuration()
    findings = _schema_findings(configuration)
    if not as_json:
        for finding in findings:
            print_err(f"relay: {finding['says']}")
    changes = _planned(configuration)
    _show(changes, as_json=as_json, schemas=findings)
    return 1 if changes or findings else 0


def _schema_findings(configuration: Configuration) -> list[dict[str, Any]]:
    """Judge the schemas before anything is asked, so that a break is named even when Kafka cannot be reached."""
    from workers.app.events.schemas import read_schemas
    from workers.app.topics.apply import refused_schemas
    from workers.edges.avro.compatibility import check as judge

    found = judge(read_schemas(configuration.config))
    findings = [{key: _plain(value) for key, value in asdict(one).items()} | {"says": str(one)} for one in found]
    judged = {one.topic for one in found}
    for topic, texts in run_interruptibly(refused_schemas(configuration)).items():
        if topic not in judged:
            says = f"{topic}: the registry would refuse the schema: {'; '.join(texts)}"
            findings.append({"topic": topic, "says": says})
    return findings


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str | None) else str(value)


def _planned(configuration: Configuration, *, allow_repartition: bool = False) -> list[Change]:
    from workers.app.topics.apply import plan_topics

    return run_interruptibly(plan_topics(configuration, allow_repartition=allow_repartition))


def _counts(changes: Sequence[Change]) -> dict[str, int]:
    verdicts = [change.verdict.name for change in changes]
    return {name.lower(): verdicts.count(name) for name in ("APPLY", "ALLOW", "IMPOSSIBLE")}


def _show(changes: Sequence[Change], *, as_json: bool, **more: Any) -> None:
    counts = _counts(changes)
    if as_json:
        show_json({"changes": [asdict(change) for change in changes], **counts, **more})
        return
    if changes:
        columns = ("topic", "key", "is", "wanted", "apply")
        show_table(columns, [(c.topic, c.key, c.before, c.after, c.verdict.value) for c in changes])
    show_line(_summary(counts))
    _explain(changes)


def _summary(counts: dict[str, int]) -> str:
    said = f"{counted(counts['apply'], 'change')} to apply" if counts["apply"] else "no changes to apply"
    left = counts["allow"] + counts["impossible"]
    return f"{said}, {left} that apply will not make" if left else said


def _explain(changes: Sequence[Change]) -> None:
    """Say why changes are not made: one line for all of the same kind and the same reason."""
    places: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        if change.reason:
            what = f"{change.key} {change.before} -> {change.after}"
            places.setdefault((what, change.reason), []).append(change.topic)
    for (what, reason), topics in places.items():
        print_err(f"relay: {', '.join(topics)}: {what}: {reason}")
