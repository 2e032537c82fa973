"""Kafka's installation is made once, by one process at a time, and exists only when it is whole."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workers.devkit.broker.install import installed, make_once


def test_of_processes_that_install_at_once_one_does_and_the_others_wait(tmp_path: Path) -> None:
    made, both = [], threading.Barrier(2)

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "whole").touch()

    def install() -> bool:
        both.wait()
        make_once(tmp_path / "kafka", make)
        return (tmp_path / "kafka" / "whole").exists()

    with ThreadPoolExecutor() as pool:
        assert [one.result() for one in [pool.submit(install) for _ in range(2)]] == [True, True]
    assert len(made) == 1


def test_an_installation_that_fails_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    home = tmp_path / "kafka"

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - any error
        make_once(home, fail)
    assert not home.exists()
    make_once(home, lambda folder: (folder / "whole").touch())
    assert [file.name for file in home.iterdir()] == ["whole"]


@pytest.mark.broker
def test_what_is_installed_is_not_installed_again(broker: object) -> None:
    said: list[str] = []
    home = installed(said.append)
    assert said == []
    assert {part.name for part in home.iterdir()} == {"libs", "formatted", "classes.aot"}
