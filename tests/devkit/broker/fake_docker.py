"""Stands in for `docker` on a machine without a daemon: checks what it is asked, and runs the real Kafka from its jars.

Beside it lies `fake.json`: java, the jars' home, and whether the daemon answers. Each call is a line of `calls`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
FAKE = json.loads((HERE / "fake.json").read_text())


def run(arguments: list[str]) -> None:
    """Become Kafka, with the settings that the image makes of its environment."""
    *options, image = arguments
    assert image == FAKE["image"], image
    given = [option.partition("=") for option in options]
    flags = {name for name, _, value in given if not value}
    (name,) = (value for option, _, value in given if option == "--name")
    (publish,) = (value for option, _, value in given if option == "--publish")
    (volume,) = (value for option, _, value in given if option == "--volume")
    environ = dict(value.split("=", 1) for option, _, value in given if option == "--env")
    host, outside, inside = publish.split(":")
    assert flags == {"--rm"}
    assert (host, volume) == ("127.0.0.1", f"{name}:/var/lib/kafka/data")
    assert environ.pop("KAFKA_HEAP_OPTS").startswith("-Xmx")
    settings = {key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in environ.items()}
    assert settings["advertised.listeners"] == f"BROKER://127.0.0.1:{outside}"
    assert f"BROKER://0.0.0.0:{inside}" in settings["listeners"]
    data = HERE / name
    if not data.exists():
        shutil.copytree(Path(FAKE["home"]) / "formatted", data)
    file = HERE / f"{name}.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in (settings | {"log.dirs": str(data)}).items()))
    (HERE / f"{name}.pid").write_text(str(os.getpid()))
    os.execv(FAKE["java"], [FAKE["java"], "-Xmx512m", "-cp", f"{FAKE['home']}/libs/*", "kafka.Kafka", str(file)])


def end(name: str) -> None:
    pid = HERE / f"{name}.pid"
    if pid.exists():
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
        pid.unlink()


def main(arguments: list[str]) -> int:
    with (HERE / "calls").open("a") as calls:
        calls.write(" ".join(arguments[:3]) + "\n")
    match arguments:
        case ["info"]:
            return 0 if FAKE["daemon"] else 1
        case ["image", "inspect", _]:
            return 0 if (HERE / "pulled").exists() else 1
        case ["pull", "--quiet", image]:
            assert image == FAKE["image"]
            (HERE / "pulled").touch()
        case ["run", *options]:
            run(options)
        case ["kill", name] | ["rm", "-f", name]:
            end(name)
        case ["volume", "rm", "-f", name]:
            shutil.rmtree(HERE / name)
        case _:
            raise AssertionError(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
