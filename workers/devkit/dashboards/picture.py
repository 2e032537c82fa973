"""The dashboard with the data of a recorded run, as a picture.

A real Prometheus answers the dashboard's own queries; matplotlib draws the answers at the places that Grafana has for
them. Needs the programs promtool and prometheus (Debian's package prometheus) and ``pip install matplotlib``.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import click
import httpx
import yaml
from matplotlib.figure import Figure
from PIL import Image

from workers.devkit.dashboards.order_relay import DASHBOARD
from workers.devkit.dashboards.panels import COLUMNS, HEIGHT, Panel, Query, Row
from workers.devkit.recordings.series import Recording, read

_RULES: Final = Path(__file__).parents[3] / "helm/order-relay/rules/order-relay.yaml"
_UNITS: Final = {"s": "s", "cps": "/s", "reqps": "/s", "percentunit": "of 1", "bytes": "bytes", "short": ""}
_COLOURS: Final = 64  # of the file: a third of its size
_READY_WITHIN_S: Final = 30.0
_ADDRESS: Final = "127.0.0.1:0"


@dataclass(frozen=True, slots=True)
class Line:
    """One series of an answer."""

    legend: str
    at_min: list[float]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Answers:
    """A running Prometheus that holds the recording."""

    url: str
    start_s: float
    end_s: float
    step_s: int

    def lines(self, query: Query, vendor: str) -> Iterator[Line]:
        """What Grafana would draw, with every worker chosen."""
        chosen = {"$__rate_interval": "2m", "$namespace": ".*", "$worker": ".*", "$vendor": vendor}
        expr = re.sub(r"\$\w+", lambda found: chosen[found[0]], query.expr)
        asked: dict[str, str | float] = {
            "query": _expanded(expr),
            "start": self.start_s,
            "end": self.end_s,
            "step": self.step_s,
        }
        answer = httpx.get(f"{self.url}/api/v1/query_range", params=asked, trust_env=False).raise_for_status().json()
        for row in answer["data"]["result"]:
            points = [(float(at_s), float(value)) for at_s, value in row["values"]]
            at_min = [(at_s - self.start_s) / 60 for at_s, _ in points]
            yield Line(_legend(query, row["metric"]), at_min, [value for _, value in points])


def _legend(query: Query, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), query.legend)


def _expanded(expr: str) -> str:
    """With each recording rule's expression for its name: the rules have not run over the recording."""
    groups = yaml.safe_load(_RULES.read_text())["groups"]
    for rule in reversed([rule for group in groups for rule in group["rules"] if "record" in rule]):
        expression = rule["expr"].replace("\\", "\\\\")
        expr = re.sub(rf"{rule['record']}(\{{[^}}]*\}})?", f"({expression})", expr)
    return expr


@contextmanager
def _prometheus(recording: Recording) -> Iterator[Answers]:
    """Put the recording into a new Prometheus, as if it had just been scraped."""
    duration_s = recording.samples * recording.interval_s
    start_s = time.time() // 60 * 60 - duration_s
    with tempfile.TemporaryDirectory(prefix="order-relay-picture-") as folder:
        text, data, config = (Path(folder) / name for name in ("run.txt", "data", "prometheus.yml"))
        text.write_text("".join(_open_metrics(recording, start_s)) + "# EOF\n")
        config.write_text("")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
        subprocess.run(command, check=True, capture_output=True)
        with _server(config, data) as url:
            yield Answers(url, start_s, start_s + duration_s, recording.interval_s)


@contextmanager
def _server(config: Path, data: Path) -> Iterator[str]:
    options = [f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={_ADDRESS}"]
    log = data / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(["prometheus", *options, "--log.format=json"], stderr=file)  # noqa: S607
    try:
        yield _address(log)
    finally:
        process.terminate()
        process.wait()


def _address(log: Path) -> str:
    """Prometheus says the port that it was given."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        said = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
        if any("ready to receive" in line.get("msg", "") for line in said):
            return next(f"http://{line['address']}" for line in said if line.get("msg") == "Listening on")
        time.sleep(0.1)
    raise TimeoutError(f"prometheus is not ready: {log.read_text()[-300:]}")


def _open_metrics(recording: Recording, start_s: float) -> Iterator[str]:
    for name, values in sorted(recording.scaled()):
        for number, value in enumerate(values):
            if value is not None:
                yield f"{name} {value:.12g} {start_s + number * recording.interval_s:.0f}\n"


def _rows(vendors: list[str]) -> Iterator[tuple[Row, str]]:
    """Each row with its vendor: a row that is repeated has one each."""
    for row in DASHBOARD.rows:
        if row.repeat is None:
            yield row, ".*"
        else:
            yield from ((replace(row, title=f"Vendor: {vendor}"), vendor) for vendor in vendors)


def _draw(answers: Answers, vendors: list[str], file: Path) -> None:
    rows = list(_rows(vendors))
    tops = list(accumulate((_height(row) for row, _ in rows), initial=0))
    figure = Figure(figsize=(13, tops[-1] * 0.28), dpi=80)
    for (row, vendor), top in zip(rows, tops, strict=False):
        figure.text(0.01, 1 - (top + 0.8) / tops[-1], row.title, fontsize=12, weight="bold")
        for panel, left, below in _places(row):
            box = (left + 0.8, tops[-1] - top - below - HEIGHT + 0.9, panel.width - 1.2, HEIGHT - 2.4)
            axes = figure.add_axes(
                tuple(side / whole for side, whole in zip(box, (COLUMNS, tops[-1]) * 2, strict=True))
            )
            lines = [line for query in panel.queries for line in answers.lines(query, vendor)]
            _draw_panel(axes, panel, lines, (answers.end_s - answers.start_s) / 60)
    figure.savefig(file)
    Image.open(file).quantize(_COLOURS).save(file, optimize=True)


def _height(row: Row) -> int:
    return max(below for _, _, below in _places(row)) + HEIGHT


def _places(row: Row) -> Iterator[tuple[Panel, int, int]]:
    """Each panel of a row with its column, and its line below the row's title."""
    left, below = 0, 1
    for panel in row.panels:
        if left + panel.width > COLUMNS:
            left, below = 0, below + HEIGHT
        yield panel, left, below
        left += panel.width


def _draw_panel(axes: Any, panel: Panel, lines: list[Line], minutes: float) -> None:
    unit = _UNITS[panel.unit]
    axes.set_title(f"{panel.title}{f' [{unit}]' if unit else ''}", fontsize=8, loc="left")
    axes.tick_params(labelsize=6)
    if panel.kind == "stat":
        axes.set(xticks=[], yticks=[], facecolor="#e8f5e9")
        text = "\n".join(f"{line.legend} {line.values[-1]:g}".strip() for line in lines)
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, transform=axes.transAxes)
        return
    for line in lines:
        axes.plot(line.at_min, line.values, linewidth=1.2, label=line.legend)
    axes.set_xlim(0, minutes)
    if panel.bad_from is not None and axes.get_ylim()[1] >= panel.bad_from:
        axes.axhline(panel.bad_from, color="red", linewidth=0.8, linestyle="--")
    if panel.from_zero:
        axes.set_ylim(bottom=0)
    axes.grid(visible=True, linewidth=0.3)
    if lines:
        axes.legend(fontsize=5, loc="upper left", framealpha=0.6)


@click.command(help=__doc__)
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.argument("png", type=click.Path(path_type=Path))
@click.option("--vendor", "vendors", multiple=True, help="Whose rows are drawn; without it, all vendors'.")
def main(recording: Path, png: Path, vendors: tuple[str, ...]) -> None:
    found = read(recording)
    known = sorted(set(re.findall(r'vendor="(\w+)"', " ".join(found.series))))
    with _prometheus(found) as answers:
        _draw(answers, [name for name in known if name in vendors or not vendors], png)


if __name__ == "__main__":
    main()
