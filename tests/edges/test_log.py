"""Log lines: one line each, readable by a machine, whatever their values are."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import workers
from workers.edges.log import FORMERLY, log, set_up
from workers.edges.log_actions import Action

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restores the levels and outputs that pytest has set."""
    names = ("", "order_relay", "kafka", "aiohttp", "asyncio")
    kept = {name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in names}
    yield
    for name, (level, handlers) in kept.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).handlers[:] = handlers


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def lines(output: io.StringIO) -> list[str]:
    return output.getvalue().splitlines()


def test_line_is_json_with_action_time_level_and_values(output: io.StringIO) -> None:
    set_up("info", "json", output)
    log.warning("gate_shut", worker="ecdp-sink", reason="denied", in_flight=3, detail=None)
    line = json.loads(output.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "action": "gate_shut", "worker": "ecdp-sink", "reason": "denied", "in_flight": 3,
    }  # fmt: skip


def test_a_mapping_is_words_in_a_text_line(output: io.StringIO) -> None:
    set_up("info", "text", output)
    log.info("started", vendors={"ecdp-sink": "https://api.ecdp.app"}, workers=["a", "b"])
    assert 'vendors="ecdp-sink=https://api.ecdp.app" workers=a,b' in output.getvalue()


@pytest.mark.parametrize("value", ["two\nlines", "\ud800 half a character", 2**70, {1: b"bytes"}, object()])
@pytest.mark.parametrize("style", ["json", "text"])
def test_no_value_breaks_or_loses_the_line(
    output: io.StringIO, value: object, style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The publisher chooses order ids: they may hold anything."""
    set_up("info", style, output)  # type: ignore[arg-type]
    log.info("parking", order_id=value, partition="p/1")
    assert len(lines(output)) == 1
    assert "parking" in output.getvalue()
    assert "p/1" in output.getvalue()
    assert capsys.readouterr().err == "", "logging complained"


def test_text_line_holds_the_same(output: io.StringIO) -> None:
    set_up("info", "text", output)
    log.info("parking", order_id="A-1", reason="rejected")
    assert output.getvalue().endswith(" info    parking order_id=A-1 reason=rejected\n")


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level_decides_which_lines_are_written(output: io.StringIO, level: str, seen: int) -> None:
    set_up(level, "json", output)
    for say in (log.debug, log.info, log.warning, log.error):
        say("gate_shut")
    assert len(lines(output)) == seen


@pytest.mark.parametrize("action", FORMERLY)
def test_renamed_action_is_written_with_its_former_name(output: io.StringIO, action: Action) -> None:
    set_up("info", "json", output)
    log.warning(action, worker="ecdp-sink")
    line = json.loads(output.getvalue())
    assert (line["action"], line["formerly"], line["worker"]) == (action, FORMERLY[action], "ecdp-sink")


def test_renamed_actions_are_written_somewhere_and_their_former_names_nowhere() -> None:
    sources = [path.read_text() for path in Path(workers.__file__).parent.rglob("*.py") if path.name != "log.py"]
    assert {new for new in FORMERLY if any(f'"{new}"' in source for source in sources)} == set(FORMERLY)
    assert not [old for old in FORMERLY.values() if any(f'"{old}"' in source for source in sources)]


def test_librarys_error_is_a_line_like_ours_and_is_rate_limited(output: io.StringIO) -> None:
    set_up("info", "json", output)
    for number in range(20):
        logging.getLogger("aiohttp.server").error("no broker\nat %d", number)
    logging.getLogger("aiohttp.server").warning("chatter")
    (line,) = [json.loads(text) for text in lines(output)]
    assert (line["action"], line["library"], line["detail"]) == ("library", "aiohttp.server", "no broker at 0")


def test_our_own_lines_are_not_rate_limited(output: io.StringIO) -> None:
    set_up("info", "json", output)
    for _ in range(20):
        log.info("parking")
    assert len(lines(output)) == 20


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_token_in_an_address_is_masked_in_our_lines_and_in_a_librarys(output: io.StringIO, style: str) -> None:
    set_up("info", style, output)  # type: ignore[arg-type]
    address = "https://k.example/invoice.list?authenticationToken=canary-4711&status=1"
    log.info("gate_shut", detail=f"GET {address}", list=[address])
    logging.getLogger("asyncio").error("Unclosed <ClientResponse(%s)>", address)
    assert "canary" not in output.getvalue()
    assert output.getvalue().count("authenticationToken=***&status=1") == 3


def test_traceback_of_a_library_is_not_written(output: io.StringIO) -> None:
    """A traceback may hold the arguments of the failed call."""
    set_up("info", "json", output)
    try:
        int("canary-4711")
    except ValueError:
        logging.getLogger("aiohttp").exception("it broke")
    assert "canary" not in output.getvalue()
    assert len(lines(output)) == 1


def test_faults_of_kafkas_client_have_their_own_level(output: io.StringIO) -> None:
    set_up("info", "json", output)
    for name in ("kafka.future", "kafka.net.selector"):
        logging.getLogger(name).error("http://127.0.0.1/?password=%s", "canary-4711")
        logging.getLogger(name).info("It works.")
    found = [json.loads(line) for line in lines(output)]
    assert [(one["level"], one["action"], one["library"]) for one in found] == [
        ("error", "library", "kafka.future"),
        ("error", "library", "kafka.net.selector"),
    ]
    assert "canary" not in output.getvalue()


@pytest.mark.parametrize(
    ("library", "level", "text"),
    [
        ("kafka.net.transport", logging.ERROR, "Abort"),
        ("kafka.net.selector", logging.WARNING, "Task poll ran for 0.131s (>0.100s threshold)."),
    ],
)
def test_what_kafkas_client_says_of_connections_and_slow_steps_is_at_debug_only(
    output: io.StringIO, library: str, level: int, text: str
) -> None:
    """In an outage it reports each attempt as an error; `kafka_unreachable` is the line to alert on. A throttled CPU
    makes steps slow, and their text has the seconds, so that each would be a line of its own.
    """
    set_up("info", "json", output)
    logging.getLogger(library).log(level, text)
    assert not lines(output)
    set_up("debug", "json", output)
    logging.getLogger(library).log(level, text)
    assert json.loads(lines(output)[-1])["level"] == "debug"


def test_text_is_logfmt_with_quotes_where_a_value_needs_them(output: io.StringIO) -> None:
    set_up("info", "text", output)
    log.info("parking", detail='HTTP 400: "no"', order_id="A\x1b[31m", empty="", many=["a", "b"], count=3)
    _, _, values = output.getvalue().partition("parking ")
    assert values == 'detail="HTTP 400: \\"no\\"" order_id="A\\u001b[31m" empty="" many=a,b count=3\n'
