"""`relay sample | publish | tail` on a real Kafka: tail shows what publish sent, and bad lines are named."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
def applied(project: Any, relay: Any) -> None:
    assert relay("topics", "apply").status == 0


def status(order: str, event: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"00000000-0000-4000-8000-{event:012}",
        "occurred_at": "2026-03-02T08:33:00.001Z",
        "producer": "",
        "order_id": order,
        "status": "paid",
        "reason": None,
        "website_id": None,
        **more,
    }


def lines(*events: Any) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def put_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_a_published_sample_is_shown_by_tail_unchanged(
    project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decimals, times, enums and nulls: `tail`'s values are `publish`'s lines."""
    for topic in (project.created, project.status):
        sample = relay("sample", topic)
        assert sample.status == 0
        assert '"order_id":"SO-' in sample.out
        put_stdin(monkeypatch, sample.out)
        assert relay("publish", topic, "-").status == 0
        (record,) = relay("tail", topic, "--from-beginning", "--max", "1").lines
        assert {key: value for key, value in record["value"].items() if value} == {
            key: value for key, value in json.loads(sample.out).items() if value
        }


def test_an_event_too_large_for_its_topic_is_named_before_anything_is_sent(
    project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kafka would refuse it when a part of the file has been sent, and name no line. The largest that fits is sent."""
    first, second = (json.loads(relay("sample", project.created).out) for _ in range(2))
    value = second["order"]["attributes"][0]
    value["value"] = "v" * 1_048_588
    file = tmp_path / "in.jsonl"
    file.write_text(lines(first, second))
    refused = relay("publish", project.created, str(file))
    assert refused.status == 1
    found = re.fullmatch(
        r"relay: line 2: (\d+) bytes in Kafka, and the topic takes 1048588", refused.err.splitlines()[0]
    )
    assert found
    sink = project.created.replace("order-created", "sink")
    assert not any(row["end"] for row in relay("offsets", sink, "--json").json["partitions"])
    value["value"] = value["value"][int(found[1]) - 1_048_588 :]
    put_stdin(monkeypatch, lines(second))
    assert relay("publish", project.created, "-").status == 0


def test_a_value_that_tail_shows_can_be_published_again(
    project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stdin(monkeypatch, relay("sample", project.created).out)
    relay("publish", project.created)
    (first,) = relay("tail", project.created, "--from-beginning", "--max", "1").lines
    put_stdin(monkeypatch, lines(first["value"]))
    relay("publish", project.created, "-")
    both = relay("tail", project.created, "--from-beginning", "--max", "2", "--key", first["key"]).lines
    assert both[0]["value"] == both[1]["value"]
    assert both[0]["partition"] == both[1]["partition"]


def test_a_published_event_has_its_key_and_headers(project: Any, relay: Any, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(lines(status("A-1")))
    relay("publish", project.status, str(tmp_path / "in.jsonl"))
    (record,) = relay("tail", project.status, "--from-beginning", "--max", "1").lines
    assert record["key"] == "A-1"
    headers = record["headers"]
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_id"] == status("A-1")["event_id"]
    assert headers["ce_type"] == "orderrelay.v1.OrderStatus"
    assert headers["ce_subject"] == "A-1"
    assert headers["content-type"] == "application/avro"
    assert set(headers) == {
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "content-type", "traceparent"
    }  # fmt: skip


def test_a_bad_line_is_named_by_number_and_field_and_nothing_of_the_file_is_sent(
    project: Any, relay: Any, tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(status("A"), status("B", stat="x"), status("C", status="lost")) + "{\n")
    ran = relay("publish", project.status, str(file), "--json")
    assert ran.status == 1
    assert [bad["line"] for bad in ran.json["bad"]] == [2, 3, 4]
    assert "line 2: stat" in ran.err
    assert ran.json["published"] == 0
    assert records_in(relay, project.status) == 0


def test_skip_bad_sends_the_rest(project: Any, relay: Any, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(status("A"), {}, status("C")))
    ran = relay("publish", project.status, str(file), "--skip-bad", "--json")
    assert (ran.status, ran.json["published"], len(ran.json["bad"])) == (0, 2, 1)
    assert records_in(relay, project.status) == 2


def test_standard_input_stops_at_the_first_bad_line(project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put_stdin(monkeypatch, lines(status("A"), status(""), status("C")))
    ran = relay("publish", project.status, "-", "--json")
    assert (ran.status, ran.json["published"]) == (1, 1)
    assert "line 2" in ran.err


def test_a_topic_without_a_schema_in_topics_yaml_is_wrong_usage(project: Any, relay: Any) -> None:
    for command in (["publish", "order-x", "-"], ["sample", "order-x"], ["publish", project.parked, "-"]):
        ran = relay(*command)
        assert ran.status == 2
        assert ran.err.count("\n") == 1


def test_tail_shows_undecodable_bytes_in_base64_and_goes_on(project: Any, relay: Any, broker: Any) -> None:
    from kafka import KafkaProducer  # noqa: PLC0415 - after the broker's fixture

    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    for value in (b"\x00\x00\x00\x00\x01x", b"plain", None, b""):
        producer.send(project.status, key=b"\xff", value=value, headers=[("h", b"a"), ("h", b"\xfe")], partition=0)
    producer.flush()
    producer.close()
    records = relay("tail", project.status, "--from-beginning", "--max", "4").lines
    assert ["undecodable" in record for record in records] == [True, True, False, True]
    assert records[1]["base64"] == "cGxhaW4="
    assert records[2]["value"] is None
    assert records[0]["key"] == {"base64": "/w=="}
    assert records[0]["headers"] == {"h": ["a", {"base64": "/g=="}]}


@pytest.mark.parametrize("interrupted", [True, False], ids=["Ctrl-C", "closed pipe"])
def test_tail_ends_when_it_is_interrupted_or_its_pipe_is_closed(
    project: Any, relay: Any, tmp_path: Path, *, interrupted: bool
) -> None:
    command = [sys.executable, "-m", "workers", "tail", project.status, "--from-beginning"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    (tmp_path / "in.jsonl").write_text(lines(status("A")))
    relay("publish", project.status, str(tmp_path / "in.jsonl"))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=project.folder, env=environ
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["key"] == "A"
        if interrupted:
            process.send_signal(signal.SIGINT)
        else:
            process.stdout.close()
            relay("publish", project.status, str(tmp_path / "in.jsonl"))
        assert process.wait(60) == (130 if interrupted else 0)
        assert process.stderr.read() == (b"relay: interrupted\n" if interrupted else b"")


def test_a_topic_that_kafka_does_not_have_is_one_line(project: Any, relay: Any) -> None:
    ran = relay("tail", "nowhere")
    assert (ran.status, ran.out) == (1, "")
    assert "no topic 'nowhere'" in ran.err


def records_in(relay: Any, topic: str) -> int:
    rows = [row for row in relay("offsets", sink_of(), "--json").json["partitions"] if row["topic"] == topic]
    return sum(row["end"] for row in rows)


def sink_of() -> str:
    """Name of the only worker in the topics.yaml of the current folder."""
    text = Path("topics.yaml").read_text()
    return text[text.index("\n  sink-") :].split(":")[0].strip()


def test_publish_tells_each_orders_id_and_place(project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put_stdin(monkeypatch, relay("sample", project.created, "--order-id", "A-1001").out)
    ran = relay("publish", project.created, "-")
    (record,) = relay("tail", project.created, "--from-beginning", "--max", "1").lines
    place = f"{project.created}/{record['partition']}@{record['offset']}"
    assert (record["key"], ran.out) == ("A-1001", f"A-1001 -> {place}\n")
    assert ran.err == f"1 event published to {project.created}\n"


def test_an_indented_event_is_published(project: Any, relay: Any, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text(json.dumps(json.loads(relay("sample", project.created, "--order-id", "A-2").out), indent=2))
    ran = relay("publish", project.created, str(file), "--json")
    assert (ran.json["published"], ran.json["events"][0]["key"]) == (1, "A-2")


def test_check_says_what_a_sink_would_make_of_each_event_and_sends_nothing(
    project: Any, relay: Any, tmp_path: Path
) -> None:
    file = tmp_path / "orders.jsonl"
    good, bad = (
        relay("sample", project.created, "--order-id", id_, *more).out for id_, *more in (["G"], ["B", "--bad"])
    )
    file.write_text(good)
    checked = relay("publish", project.created, str(file), "--check")
    assert (checked.status, checked.out) == (0, f"line 1: G: {sink_of()} would send it\n")
    file.write_text(good + bad + "{")
    checked = relay("publish", project.created, str(file), "--check")
    assert checked.status == 1
    assert f"line 2: B: {sink_of()} would park it as invalid: currency" in checked.out
    assert "line 3: not JSON" in checked.err
    assert records_in(relay, project.created) == 0


def test_a_topic_that_the_cluster_lacks_is_named(project: Any, relay: Any) -> None:
    file, topic = project.file.parent / "one.jsonl", f"{project.status}-more"
    project.edit(project.status, topic)
    project.edit(f"schemas/{topic}.avsc", f"schemas/{project.status}.avsc")
    file.write_text(relay("sample", topic).out)
    ran = relay("publish", topic, str(file))
    assert ran.status == 1
    assert f"no topic '{topic}' on the cluster; `relay topics apply` creates" in ran.err


def test_a_topic_in_which_a_worker_keeps_its_rows_takes_no_events(relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for command in ("sample", "publish"):
        ran = relay(command, "dcl-poll-state")
        assert ran.status == 2
        assert "is for dcl-poller alone" in ran.err
        assert "known: courier-order-event, credit-changed, inventory-changed, invoice-changed, " in ran.err


def test_an_interrupted_publish_tells_what_was_sent(project: Any, relay: Any) -> None:
    """Standard input stays open: the command waits for more when Ctrl-C comes."""
    command = [sys.executable, "-m", "workers", "publish", project.status]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=project.folder, env=environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(status("A-1"), status("A-2")).encode())
        process.stdin.flush()
        relay_of = relay("tail", project.status, "--from-beginning", "--max", "2").lines
        assert {one["key"] for one in relay_of} == {"A-1", "A-2"}
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.decode().count(" -> ") == 2
    assert err.decode() == f"2 events published to {project.status}\nrelay: interrupted\n"
