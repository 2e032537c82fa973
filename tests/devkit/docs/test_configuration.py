"""docs/configuration.md names every key and every variable as the models have them."""

import pytest

from workers.app.config.settings import VARIABLES
from workers.app.config.topics_yaml import vendor_names
from workers.app.config.values import seconds, size
from workers.devkit.docs.configuration import duration_text, size_text, text
from workers.vendors.contract import load


def test_every_key_and_variable_has_a_meaning() -> None:
    assert "None |" not in text()
    assert not [variable.name for name in vendor_names() for variable in load(name).variables if not variable.meaning]


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_has_a_row(name: str) -> None:
    assert f"| `{name}` |" in text()


@pytest.mark.parametrize(
    "row",
    [
        "| `batch.linger` | duration | `20ms` |",
        "| `max_unfinished_bytes` | size | `48MiB` |",
        "| `slower[].quiet_for` | duration | required |",
        "| `parks` | topic | `VENDOR-parked` |",
        "| `mode` | `Add` or `AddOrReplace` or `Replace` | `AddOrReplace` |",
        "| `ECDP_API_KEY` | required |",
    ],
)
def test_a_row_has_the_value_and_its_default_as_people_write_them(row: str) -> None:
    assert row in text()


@pytest.mark.parametrize("written", ["20ms", "45s", "1m", "90s", "6h", "400d", "0ms"])
def test_a_duration_is_shown_as_it_is_written(written: str) -> None:
    assert duration_text(seconds(written)) == written


@pytest.mark.parametrize("written", ["48MiB", "64KiB", "1048588B"])
def test_a_size_is_shown_as_it_is_written(written: str) -> None:
    assert size_text(size(written)) == written
