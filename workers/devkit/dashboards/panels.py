"""What a dashboard is made of, and the JSON that Grafana reads (schema version 39, Grafana 10 and newer)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["stat", "timeseries"]

COLUMNS: Final = 24  # of Grafana's grid
HEIGHT: Final = 7
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, and the legend of its series, with labels as ``{{worker}}``."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; ``unit`` is Grafana's word: ``s``, ``cps`` (a second), ``percentunit``, ``bytes``, ``short``."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    what: str  # the panel's description: what to look for
    kind: Kind = "timeseries"
    width: int = 8
    bad_from: float | None = None  # red from this value on
    from_zero: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one title; ``repeat``: a variable, for each of whose values the row is there once."""

    title: str
    panels: tuple[Panel, ...]
    repeat: str | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the dashboard: the values of a label."""

    name: str
    metric: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The whole page."""

    uid: str
    title: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


def to_json(dashboard: Dashboard) -> str:
    """The text that Grafana imports."""
    page = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["order-relay"],
        "schemaVersion": 39,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "panels": list(_panels(dashboard.rows)),
    }
    return json.dumps(page, indent=1) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.metric}, {variable.name})"
    return {
        "name": variable.name,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": variable.name},
        "refresh": 2,  # when the time range changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",  # also where there is no such label
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rows and panels with their ids and places, from the top left."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            **({} if row.repeat is None else {"repeat": row.repeat}),
        }
        top, left = top + 1, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left = top + HEIGHT, 0
            number += 1
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": HEIGHT})
            left += panel.width
        top += HEIGHT


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [_target(query, letter) for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)],
        "fieldConfig": {"defaults": {"unit": panel.unit, **_bounds(panel), **_colours(panel)}, "overrides": []},
        "options": _options(panel.kind),
    }


def _target(query: Query, letter: str) -> dict[str, Any]:
    return {"refId": letter, "datasource": DATASOURCE, "expr": query.expr, "legendFormat": query.legend}


def _bounds(panel: Panel) -> dict[str, int]:
    return {"min": 0} if panel.from_zero else {}


def _colours(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_from is None:
        return {"thresholds": {"mode": "absolute", "steps": steps}}
    lines = {"custom": {"thresholdsStyle": {"mode": "line"}}} if panel.kind == "timeseries" else {}
    return {"thresholds": {"mode": "absolute", "steps": [*steps, {"color": "red", "value": panel.bad_from}]}, **lines}


def _options(kind: Kind) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "none"}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
