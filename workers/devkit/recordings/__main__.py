"""``python -m workers.devkit.recordings [SCENE]...``: record these scenes, or all of them, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from workers.devkit.recordings.record import record
from workers.devkit.recordings.scenes import BY_NAME, SCENES
from workers.devkit.recordings.series import write

FOLDER: Final = Path(__file__).parents[3] / "tests/devkit/recordings/series"


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(BY_NAME)), metavar="[SCENE]...")
def main(names: tuple[str, ...]) -> None:
    FOLDER.mkdir(exist_ok=True, parents=True)
    for scene in [BY_NAME[name] for name in names] or SCENES:
        recording = record(scene)
        write(recording, FOLDER / f"{scene.name}.txt", scene.what)
        click.echo(f"{scene.name}: {recording.samples} readings of {len(recording.series)} series")


if __name__ == "__main__":
    main()
