"""`relay parked` and `relay order` as processes, beside a running worker."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.ran import Ran
from tests.support.relay_rig import ROOT, Rig


def environ(rig: Rig) -> dict[str, str]:
    """As a person at a terminal has it: no vendor key."""
    own = rig._environ("cli")
    del own["ECDP_API_KEY"]
    return dict(os.environ) | own | {"USER": "ada"}


def start(rig: Rig, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environ(rig),
        text=True,
    )


def ended(process: subprocess.Popen[str], within: float = 120.0) -> Ran:
    out, err = process.communicate(timeout=within)
    return Ran(process.returncode, out, err)


def parked(rig: Rig, verb: str, *arguments: str) -> Ran:
    """``relay parked VERB --sink ...``."""
    return ended(start(rig, "parked", verb, "--sink", rig.worker, *arguments))
