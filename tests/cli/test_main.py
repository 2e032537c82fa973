"""The command line: help, errors in one line, exit statuses, pipes, Ctrl-C."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from workers.cli.commands import COMMANDS, LazyCommands, relay, run
from workers.cli.output import show_table

ROOT = Path(__file__).parents[2]
SHARED = {  # no commands
    *("main", "commands", "complete", "configured", "names", "operator", "order_format", "order_vendors", "output"),
    *("parked_format", "secret_file", "status_format"),
}
STEMS = {path.stem for path in (ROOT / "workers/cli").glob("[!_]*.py")}
HERE = sorted(stem.replace("_", "-") for stem in STEMS - SHARED)


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environ, check=False)


def every_command(words: list[str], group: click.Group) -> Iterator[tuple[list[str], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield [*words, name], command
        if isinstance(command, click.Group):
            yield from every_command([*words, name], command)


EVERY_COMMAND = list(every_command([], relay))


def test_every_module_of_a_command_is_listed_and_so_are_the_commands_of_groups() -> None:
    found = {tuple(words) for words, _ in EVERY_COMMAND}
    assert sorted({name for name, *_ in found}) == HERE == sorted(COMMANDS)
    assert {("topics", "apply"), ("parked", "replay"), ("poller", "reset")} <= found


def examples(help_text: str) -> Iterator[list[str]]:
    """The arguments of each `relay` after the word Example, without what the shell does."""
    _, _, text = help_text.partition("Example:")
    for line in text.splitlines():
        for part in re.split(r"\||&&|;", line.partition(" > ")[0]):
            words = [word for word in shlex.split(part) if not re.match(r"[A-Z_]+=", word)]
            if words and words[0] == "relay":
                yield words[1:]


def parse(arguments: list[str]) -> None:
    """Parse as the command line does, and run nothing; raises `click.UsageError`."""
    command: click.Command = relay
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments.pop(0))
        assert found is not None
        command = found
    command.make_context("relay", arguments).close()


@pytest.mark.parametrize(
    ("words", "command"), EVERY_COMMAND, ids=lambda it: " ".join(it) if isinstance(it, list) else ""
)
def test_help_has_an_example_that_is_never_wrapped_and_that_the_command_accepts(
    words: list[str],
    command: click.Command,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An example that is wrapped or truncated cannot be pasted into a shell."""
    assert run([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.endswith("...") and not line.startswith("Usage:")] == []
    assert command.epilog is None or f"  {command.epilog}" in out.splitlines()
    monkeypatch.chdir(tmp_path)
    for file in ("order.json", "my-orders.jsonl"):
        (tmp_path / file).write_text("")
    found = list(examples(out))
    assert found
    for arguments in found:
        parse(arguments)


def test_help_lists_every_command_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in HERE)
    assert max(map(len, out.splitlines())) <= 80


def test_help_imports_nothing_heavy() -> None:
    """It must appear at once: no Kafka client, no HTTP, no models, no telemetry."""
    code = (
        "import sys; from workers.cli.commands import run\n"
        f"for name in {HERE}: run([name, '--help'])\n"
        "heavy = {'kafka', 'httpx', 'aiohttp', 'pydantic', 'opentelemetry', 'fastavro', 'rich', 'yaml'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    ended = python(code)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["chekc"], "'check'"),
        (["publsh", "x"], "'publish'"),
        (["topics", "aply"], "'apply'"),
        (["check", "--ofline"], "'--offline'"),
        (["publish"], "TOPIC"),
        (["tail", "x", "--max", "none"], "--max"),
        (["--versoin"], "'--version'"),
        (["quote", "/nowhere"], "No such file or directory. See"),
        (["parked", "replay", "--sink", "x"], "or --all. See"),
    ],
)
def test_wrong_usage_is_one_line_with_the_nearest_word_and_status_2(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert hint in captured.err


def test_without_a_command_the_help_is_shown_as_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Commands" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_that_shows_no_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(LazyCommands, "get_command", broken)
    assert run(["check"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "unexpected RuntimeError at test_main.py:" in err
    assert "canary" not in err


def test_an_interrupt_is_one_line_and_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(LazyCommands, "get_command", interrupted)
    assert run(["check"]) == 130
    assert capsys.readouterr().err.strip() == "relay: interrupted"


def test_a_closed_pipe_is_no_error() -> None:
    """`relay ... | head` exits silently, whether Python notices at a write or at the last flush."""
    code = "import sys; from workers.cli import commands; sys.exit(commands.run(['--help']))"
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", code]
    with os.fdopen(write, "wb") as closed:
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, cwd=ROOT, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_python_m_workers_is_relay() -> None:
    command = [sys.executable, "-m", "workers", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout.startswith("Usage: relay")


def test_no_color_leaves_no_escapes_in_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    show_table(["name"], [["A-1"]])
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    show_table(["name"], [["A-1"]])
    assert "\x1b[" not in capsys.readouterr().out


def test_commands_print_through_the_module_that_lets_no_control_character_through() -> None:
    """`demo` prints through rich, and `commands` only what click has made."""
    prints = re.compile(r"click\.echo|std(out|err)\.(write|buffer)|\bprint\(")
    found = {stem for stem in STEMS if prints.search((ROOT / f"workers/cli/{stem}.py").read_text())}
    assert "output" in found
    assert found <= {"output", "main", "commands", "demo"}
