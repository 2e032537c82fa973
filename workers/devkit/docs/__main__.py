"""``python -m workers.devkit.docs``: writes the generated pages of ``docs/``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.devkit.docs import configuration, metrics

DOCS: Final = Path(__file__).parents[3] / "docs"
PAGES: Final[dict[str, Callable[[], str]]] = {"configuration.md": configuration.text, "metrics.md": metrics.text}
"""File name -> its text; a test compares each with the file."""


def main() -> None:
    """Write every page."""
    DOCS.mkdir(exist_ok=True)
    for name, text in PAGES.items():
        (DOCS / name).write_text(text())


if __name__ == "__main__":
    main()
