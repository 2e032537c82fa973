"""The tests mirror the product, and the product keeps to what the language makes public."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "workers").rglob("*.py"))
MIRRORED = ("core", "app", "edges", "vendors", "cli", "devkit")
TESTS = sorted(path for part in MIRRORED for path in (ROOT / "tests" / part).rglob("test_*.py"))
# Tests of what several modules do together.
SPANNING = {
    "vendors/dcl/test_bounds.py",
    "vendors/dcl/test_daylight_saving.py",
    "vendors/dcl/test_misses_nothing.py",
    "vendors/dcl/test_odd_rows.py",
    "vendors/e2cc/test_misses_nothing.py",
    "vendors/ecdp/test_cases.py",
    "vendors/ecourier/test_cases.py",
    "vendors/ecourier/poll/test_misses_nothing.py",
    "vendors/komet/test_budget_of_a_day.py",
    "devkit/simulators/test_contract.py",
    "devkit/test_chart.py",
    "edges/http/test_tls_and_proxies.py",
    "app/sink/test_traces.py",
}
PRIVATE_ACCESS = re.compile(r"noqa:[^#]*SLF001")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules_of(test: Path) -> list[Path]:
    """``test_fence_model.py`` tests ``fence_model.py``, or an aspect of ``fence.py``; or a package of that name."""
    folder = ROOT / "workers" / test.parent.relative_to(ROOT / "tests")
    words = test.stem.removeprefix("test_").split("_")
    stems = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    return [folder / f"{stem}.py" for stem in [*stems, f"__{stems[0]}__"]] + [folder / stems[-1] / "__init__.py"]


def test_each_test_file_is_in_the_folder_of_the_module_that_it_tests() -> None:
    elsewhere = {str(test.relative_to(ROOT / "tests")) for test in TESTS if not any(map(Path.exists, modules_of(test)))}
    assert elsewhere == SPANNING


def test_private_names_of_others_are_used_only_where_kafka_is() -> None:
    """The linter refuses access to private names; kafka-python has no public way to some of what the relay needs."""
    found = {name(path) for path in MODULES if PRIVATE_ACCESS.search(path.read_text())}
    assert found
    assert not [file for file in found if not file.startswith("workers/edges/kafka/")]
