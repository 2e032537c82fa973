"""A scene is played on a real Kafka before a simulated vendor, and what its pods showed is kept."""

from pathlib import Path

import pytest

from workers.devkit.recordings.record import record
from workers.devkit.recordings.scenes import Load, Scene, Start, Stop, Vendor
from workers.devkit.recordings.series import read, write

pytestmark = [pytest.mark.broker, pytest.mark.slow]

POD = "ecdp-sink-0"
SCENE = Scene(
    "short", "ECDP goes down, and its pod is replaced.", 12, 20, 0.5,
    (Load(0, 20), Vendor(2, {"down": True}), Stop(5, POD), Start(5.5, POD)),
)  # fmt: skip


def test_a_recording_shows_the_fault_of_its_scene_and_the_pods_that_ran(tmp_path: Path) -> None:
    recording = record(SCENE)
    write(recording, tmp_path / "short.txt", SCENE.what)
    assert read(tmp_path / "short.txt") == recording
    assert recording.samples > SCENE.lasts_s
    pods = {name.partition('instance="')[2].partition('"')[0] for name in recording.series}
    assert pods == {f"{POD}/1", f"{POD}/2"}, "a pod that starts again is another instance"
    shut = recording.series[f'relay_gate_state{{instance="{POD}/1",state="open",worker="ecdp-sink"}}']
    assert (shut[0], 0 in shut, shut[-1]) == (1, True, None), "it was open, then shut, then gone"
    assert any(name.startswith("relay_append_to_finish_seconds_bucket") for name in recording.series)
