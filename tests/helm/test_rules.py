"""helm/order-relay/rules: each alert fires on its fault and is silent otherwise; its runbook and its metrics exist.

The series are recorded ones of real runs (`workers.devkit.recordings`), in which simulators made the fault.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promtool import RULES, check_series, needs_promtool, promtool
from workers.app.runtime.metrics import BUILD, NUMBERS, WORKER
from workers.app.sink.stats import SinkStats
from workers.devkit.recordings.__main__ import FOLDER
from workers.devkit.recordings.promtool import alerts_test, document
from workers.devkit.recordings.scenes import SCENES
from workers.devkit.recordings.series import Recording, read
from workers.edges.http.durations import BOUNDS_S

GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALL = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
_BUCKET = re.compile(r'(\w+)_bucket\{.*?le="([^"]+)"')
STORM = "RelayRebalanceStorm"  # without a recording: see its own test
METRICS = {metric.name: metric for metric in (BUILD, *WORKER, *NUMBERS.values())}


def test_each_recording_has_the_histograms_of_today() -> None:
    """A rule that names a bound, or a quantile between bounds, would be tested on another histogram than ours."""
    of_sink = SinkStats()
    today = {
        "relay_append_to_finish_seconds": of_sink.append_to_finish_seconds.bounds,
        "relay_batch_records": of_sink.batch_records.bounds,
        "relay_request_duration_seconds": BOUNDS_S,
    }
    wanted = {name: {*(str(float(bound)) for bound in bounds), "+Inf"} for name, bounds in today.items()}
    for scene in SCENES:
        found: dict[str, set[str]] = {}
        for name in read(FOLDER / f"{scene.name}.txt").series:
            if bucket := _BUCKET.match(name):
                found.setdefault(bucket[1], set()).add(bucket[2])
        assert found == {name: wanted[name] for name in found}, scene.name


@needs_promtool
def test_promtool_finds_no_fault_in_the_rules() -> None:
    assert f"SUCCESS: {len(ALL)} rules found" in promtool("check", "rules", str(RULES))


@needs_promtool
def test_each_alert_fires_on_its_fault_and_no_other_alert_does(tmp_path: Path) -> None:
    tests = [alerts_test(read(FOLDER / f"{scene.name}.txt"), scene.fires) for scene in SCENES]
    check_series(document(RULES, tests), tmp_path)


@needs_promtool
@pytest.mark.parametrize(("hours", "fires"), [(11, False), (13, True)])
def test_a_first_reading_is_an_alert_only_when_it_takes_half_a_day(hours: int, fires: bool, tmp_path: Path) -> None:
    """Its recording would take as long: here is the last hour; how far the poller is behind has no sample meanwhile."""
    last_hour = range((hours - 1) * 60, hours * 60)
    series = {
        'relay_first_reading_seconds{worker="e2cc-poller"}': [minute * 60.0 for minute in last_hour],
        'relay_build_info{version="1"}': [1.0] * 60,
    }
    recording = Recording("first-reading", 1, 60.0, series)
    test = alerts_test(recording, frozenset({"RelayPollerBehind"} if fires else ()))
    check_series(document(RULES, [test]), tmp_path)


@needs_promtool
@pytest.mark.parametrize(("every_s", "fires"), [(60, True), (120, False)])
def test_members_that_come_and_go_are_an_alert_and_three_pods_that_are_replaced_are_none(
    every_s: int, fires: bool, tmp_path: Path
) -> None:
    series = {
        'relay_rebalances_total{worker="ecdp-sink"}': [float(second // every_s) for second in range(0, 1200, 15)],
        'relay_build_info{version="1"}': [1.0] * 80,
    }
    recording = Recording("rebalances", 1, 15.0, series)
    test = alerts_test(recording, frozenset({STORM} if fires else ()))
    check_series(document(RULES, [test]), tmp_path)


@needs_promtool
@pytest.mark.parametrize(("reason", "alert"), [("denied", "RelayCredentialsRefused"), ("unavailable", "RelayGateShut")])
def test_the_shut_gate_of_one_set_is_an_alert_though_the_vendors_gate_is_open(
    reason: str, alert: str, tmp_path: Path
) -> None:
    series = {
        f'relay_set_gate_shut_seconds{{reason="{reason}",set="invoices",worker="komet-poller"}}': [
            second * 1.0 for second in range(0, 1200, 15)
        ],
        f'relay_gate_reason{{reason="{reason}",worker="komet-poller"}}': [0.0] * 80,
        'relay_build_info{version="1"}': [1.0] * 80,
    }
    test = alerts_test(Recording("set-gate", 1, 15.0, series), frozenset({alert}))
    check_series(document(RULES, [test]), tmp_path)


def test_the_recordings_have_the_labels_of_the_product() -> None:
    """A rule that asks for a label which only a former release had would be tested in vain."""
    for name in {name for scene in SCENES for name in read(FOLDER / f"{scene.name}.txt").series if "relay_" in name}:
        labels = set(re.findall(r'(\w+)="', name))
        metric = METRICS[re.sub(r"(_bucket|_count|_sum)?\{.*", "", name)]
        process = set() if metric is BUILD else {"worker"}
        assert labels - {"le"} == {"instance", *process, *metric.labels}, name


def test_each_alert_fires_in_a_recorded_run_and_three_runs_without_a_fault_are_silent() -> None:
    assert {rule["alert"] for rule in ALERTS} == {name for scene in SCENES for name in scene.fires} | {STORM}
    silent = {scene.name for scene in SCENES if not scene.fires}
    assert silent == {"clean", "rolling-restart", "quiet-night"}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('window', '')}")
def test_an_alert_has_a_severity_a_summary_and_its_section_of_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_each_metric_of_the_rules_exists() -> None:
    recorded = {rule["record"] for rule in ALL if "record" in rule}
    named = {name for rule in ALL for name in re.findall(r"\b(?:worker:)?relay_\w+(?::\w+)*", rule["expr"])}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named - recorded} <= METRICS.keys()
    assert recorded <= named


def test_each_metric_that_says_alert_on_it_has_an_alert() -> None:
    wanted = {name for name, metric in METRICS.items() if "Alert on" in metric.help}
    assert wanted
    assert {name for name in wanted if not any(name in rule["expr"] for rule in ALERTS)} == set()
