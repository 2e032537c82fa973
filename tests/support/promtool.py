"""Prometheus's own checker, where it is installed: `.ci/promtool` installs it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm/order-relay/rules/order-relay.yaml"
_PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(_PROMTOOL is None, reason="no promtool on the PATH: sudo .ci/promtool")


def promtool(*arguments: str) -> str:
    """Its output; fails with that output when it finds a fault."""
    assert _PROMTOOL is not None, "a test that needs promtool is marked so"
    ran = subprocess.run([_PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def check_series(document: dict[str, Any], folder: Path) -> None:
    """``promtool test rules`` with this input."""
    file = folder / "rules-test.json"
    file.write_text(json.dumps(document))
    promtool("test", "rules", str(file))
