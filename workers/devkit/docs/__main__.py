"""``python -m workers.devkit.docs``: writes the generated pages, the shell completion's table and the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.devkit.dashboards import order_relay
from workers.devkit.docs import completion, configuration, logs, metrics, traces

ROOT: Final = Path(__file__).parents[3]
PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/configuration.md": configuration.text,
    "docs/logs.md": logs.text,
    "docs/metrics.md": metrics.text,
    "docs/traces.md": traces.text,
    "workers/cli/completion.json": completion.text,
    "helm/order-relay/dashboards/order-relay.json": order_relay.text,
}
"""File -> its text; a test compares each with the file."""


def main() -> None:
    """Write every page."""
    for name, text in PAGES.items():
        (ROOT / name).write_text(text())


if __name__ == "__main__":
    main()
