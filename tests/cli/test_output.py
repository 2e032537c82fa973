"""Output: no control character of the data, whole rows in a pipe, questions with an answer."""

import io
import json

import click
import pytest

from workers.cli.output import confirmed, escape_control, print_err, show_file, show_json, show_line, show_table

EVIL = "A\x1b[31m\x9b2J\u202e\x07\ud800Ω"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_text_shows_control_format_and_half_characters_by_their_numbers() -> None:
    assert escape_control(EVIL) == r"A\x1b[31m\x9b2J\u202e\x07\ud800Ω"


def test_lines_tables_and_messages_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    show_line(EVIL)
    show_table(("order", "reason"), [(EVIL, "no")])
    print_err(EVIL)
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in (captured.out + captured.err).splitlines())
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("indent", [True, False])
def test_json_is_printable_and_holds_the_same_text(capsys: pytest.CaptureFixture[str], indent: bool) -> None:
    """JSON itself allows most of what a terminal executes."""
    show_json({"id": EVIL}, indent=indent)
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert json.loads(out) == {"id": EVIL}


def test_a_row_in_a_pipe_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("system", "message"), [("Kafka", "x" * 300), ("registry", "y")])
    assert capsys.readouterr().out.splitlines()[1] == f"Kafka     {'x' * 300}"


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_question_is_answered_on_the_terminal(monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert confirmed("Go on?") is agreed


def test_a_question_without_a_terminal_is_wrong_usage_that_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(click.UsageError, match=r"Go on\? There is no terminal to answer: give --yes"):
        confirmed("Go on?")


def test_a_file_goes_to_standard_output_as_it_is_and_never_to_a_terminal(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_file(b"%PDF\x00\xff")
    assert capfdbinary.readouterr().out == b"%PDF\x00\xff"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(click.UsageError, match="add > FILE"):
        show_file(b"%PDF")
