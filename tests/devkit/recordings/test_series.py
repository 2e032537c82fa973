"""A recording is written and read without loss, and is put on Prometheus's time."""

from pathlib import Path

from workers.devkit.recordings.promtool import alerts_test
from workers.devkit.recordings.series import Recording, read, write

UP, AGE = 'relay_kafka_up{instance="a"}', 'relay_loop_age_seconds{instance="a"}'
BUCKET = 'relay_append_to_finish_seconds_bucket{instance="a",le="5.0",worker="ecdp-sink"}'
RECORDING = Recording(
    "a-scene", 12, 1.25, {UP: [1, 1, 0, None, 1], AGE: [0.5, 0.25, None, 2, 2], BUCKET: [0, 3, 3, 7, 8]}
)


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "a-scene.txt"
    write(RECORDING, file, "something fails.")
    assert read(file) == RECORDING
    assert file.read_text().startswith("# a-scene: something fails.\n")
    assert f"{UP} 1*2 0 _ 1\n" in file.read_text()


def test_seconds_are_scaled_and_nothing_else() -> None:
    assert dict(RECORDING.scaled()) == {
        UP: [1, 1, 0, None, 1],
        AGE: [6, 3, None, 24, 24],
        BUCKET.replace('"5.0"', '"60.0"'): [0, 3, 3, 7, 8],
    }
    assert (RECORDING.interval_s, RECORDING.samples) == (15, 5)


def test_the_series_of_a_pod_that_is_gone_ends_two_minutes_later_as_in_prometheus() -> None:
    """A restart within that time has both pods at once, and is no duplicate."""
    gone = Recording("a-scene", 12, 1.25, {UP: [1, None, 1, *[None] * 10]})
    (series,) = alerts_test(gone, ())["input_series"]
    assert series["values"] == "1+0x0 _x1 1+0x0 _x8 stale _x1"
