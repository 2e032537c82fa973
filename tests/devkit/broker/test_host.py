"""Where Java or Maven is missing and a Docker daemon answers, Kafka's image serves instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.devkit.broker.broker import Broker, ToolMissingError
from workers.devkit.broker.host import IMAGE
from workers.devkit.broker.install import installed, java

FAKE = Path(__file__).parent / "fake_docker.py"
MakeDocker = Callable[..., Path]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeDocker:
    """``docker(daemon=True)`` is all that is on the PATH from then on; returns its folder."""

    def only(*, daemon: bool, **real: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        command = folder / "docker"
        command.write_text(f"#!{sys.executable} -IS\n{FAKE.read_text()}")
        command.chmod(0o755)
        (folder / "fake.json").write_text(json.dumps({"daemon": daemon, "image": IMAGE} | real))
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.delenv("JAVA_HOME", raising=False)
        return folder

    return only


@pytest.mark.broker
def test_the_image_starts_crashes_comes_back_with_its_data_and_leaves_nothing(
    broker: Broker,  # or skips where there is no Java: the fake runs the real Kafka
    docker: MakeDocker,
) -> None:
    folder = docker(daemon=True, java=java(), home=str(installed()))
    told: list[str] = []
    with Broker.start(tell=told.append) as started:
        started.create_topic("orders")
        started.kill()
        started.restart()
        with pytest.raises(Exception, match=r"TopicAlreadyExists|already exists"):
            started.create_topic("orders")
    calls = (folder / "calls").read_text().splitlines()
    assert told == [f"fetching {IMAGE} by Docker, once: Java or Maven is missing"]
    assert calls[:3] == ["info", f"image inspect {IMAGE}", f"pull --quiet {IMAGE}"]
    assert [call.split()[0] for call in calls[3:]] == ["rm", "run", "kill", "rm", "run", "rm", "volume"]
    assert not started.folder.exists()
    assert {one.name for one in folder.iterdir() if one.is_dir()} == set()


def test_without_a_daemon_the_remedy_names_java_and_maven(docker: MakeDocker) -> None:
    folder = docker(daemon=False)
    with pytest.raises(ToolMissingError, match="apt-get install default-jre-headless maven"):
        Broker.start()
    assert (folder / "calls").read_text() == "info\n"


def test_an_image_that_cannot_be_fetched_is_one_line(docker: MakeDocker) -> None:
    from workers.devkit.broker.install import BrokerError  # noqa: PLC0415 - beside its only use

    folder = docker(daemon=True)
    (folder / "docker").write_text("#!/bin/sh\n[ $1 = info ] || { echo 'no route' >&2; exit 1; }\n")
    with pytest.raises(BrokerError, match=f"Docker could not fetch {IMAGE}: no route") as caught:
        Broker.start()
    assert "\n" not in str(caught.value)
