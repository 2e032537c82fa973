"""The dashboard of the chart: every panel has a unit, and asks for metrics that exist and have data."""

import json
import re
from pathlib import Path
from typing import Any

from tests.support.promtool import RULES, check_series, needs_promtool
from workers.app.runtime.metrics import BUILD, NUMBERS, WORKER
from workers.devkit.dashboards.order_relay import DASHBOARD, text
from workers.devkit.dashboards.panels import COLUMNS
from workers.devkit.recordings.__main__ import FOLDER
from workers.devkit.recordings.promtool import data_test, document
from workers.devkit.recordings.series import read

PAGE: dict[str, Any] = json.loads(text())
PANELS = [panel for panel in PAGE["panels"] if panel["type"] != "row"]
QUERIES = {target["expr"] for panel in PANELS for target in panel["targets"]}
METRICS = {metric.name for metric in (BUILD, *WORKER, *NUMBERS.values())}


def test_there_are_an_overview_a_row_for_each_vendor_pollers_and_parked_orders() -> None:
    rows = {panel["title"]: panel.get("repeat") for panel in PAGE["panels"] if panel["type"] == "row"}
    assert list(rows) == ["Overview", "Vendor: $vendor", "Pollers", "Parked orders", "Processes"]
    assert rows["Vendor: $vendor"] == "vendor"


def test_each_panel_has_a_unit_a_description_and_a_place_of_its_own() -> None:
    places = set()
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["description"], panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        places.add((place["x"], place["y"]))
    assert len(places) == len(PANELS) > 25
    assert len({panel["id"] for panel in PAGE["panels"]}) == len(PAGE["panels"])


def test_each_metric_of_a_panel_exists() -> None:
    rules = RULES.read_text()
    named = {name for query in QUERIES for name in re.findall(r"\b(?:worker:)?relay_\w+(?::\w+)*", query)}
    assert len(named) > 25
    for name in named:
        assert f"record: {name}\n" in rules or re.sub(r"_(bucket|count|sum)$", "", name) in METRICS


@needs_promtool
def test_each_query_is_promql_and_finds_data_in_a_recorded_run(tmp_path: Path) -> None:
    """The runs have sinks, pollers, sets, parked orders and outages: what they lack would be an empty panel."""
    choices = {"$__rate_interval": "5m", "$namespace": ".*", "$worker": ".*", "$vendor": ".*"}
    queries = [re.sub(r"\$\w+", lambda found: choices[found[0]], query) for query in sorted(QUERIES)]
    special = {"set-behind": "relay_set_beat_seconds", "half-made-order": "relay_half_made"}
    runs = {run: [query for query in queries if metric in query] for run, metric in special.items()}
    runs["demo"] = [query for query in queries if not any(metric in query for metric in special.values())]
    check_series(document(RULES, [data_test(read(FOLDER / f"{run}.txt"), runs[run]) for run in runs]), tmp_path)


def test_the_dashboard_keeps_its_address() -> None:
    assert (PAGE["uid"], DASHBOARD.uid) == ("order-relay", "order-relay")
