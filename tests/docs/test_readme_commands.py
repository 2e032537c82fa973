"""Each command of the README does what its comment says, as typed, against a real Kafka and simulated vendors.

Only addresses are the test's own: `export` lines give way to its environment, and port 8080 or 8081 to a free one.
"""

import re
from pathlib import Path

import pytest

from tests.support.terminal import Terminal

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line and not line.startswith("export ")]
NOT_TYPED = ("python3 -m venv ", "relay dev-kafka ", "relay simulate ")
"""Make's own set-up, and this test's broker and vendor, stand for these."""
ORDER = "A-1001"


def test_every_command_of_the_readme_works_as_typed(terminal: Terminal) -> None:
    typed = [command for command in COMMANDS if not command.startswith(NOT_TYPED)]
    assert len(COMMANDS) - len(NOT_TYPED) == len(typed) >= 15
    said = {}
    for command in typed:
        if command.startswith("relay parked list"):
            terminal.wait_until_parked()
        said[command] = terminal.type(command)
    published = next(out for command, out in said.items() if f"--order-id {ORDER} | relay publish" in command)
    assert re.fullmatch(rf"{ORDER} -> order-created/\d+@\d+\n", published)
    listed = next(out for command, out in said.items() if command.startswith("relay parked list"))
    assert ORDER in listed
    assert "invalid: currency" in listed
    (started,) = terminal.workers[0].said("started")
    assert started["kafka"] == [terminal.environ["KAFKA_BOOTSTRAP_SERVERS"]]
    assert started["vendors"] == {"ecdp-sink": terminal.environ["ECDP_BASE_URL"]}
    assert started["modes"] == {"ecdp-sink": "AddOrReplace"}


def test_readme_exports_only_variables_that_the_configuration_knows() -> None:
    names = set(re.findall(r"^export (\w+)=", README, re.MULTILINE)) - {"PATH"}
    known = (ROOT / "docs/configuration.md").read_text()
    assert {name for name in names if name.removesuffix("_FILE") not in known} == set()
    assert names
