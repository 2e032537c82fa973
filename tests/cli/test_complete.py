"""The shell's completion: commands, options and the names of topics.yaml, without the weight of a command."""

import subprocess
import sys
from pathlib import Path

import pytest

from workers.cli.complete import answer

ROOT = Path(__file__).parents[2]


def completed(*words: str, shell: str = "bash") -> list[str]:
    typed = {"COMP_WORDS": "\n".join(["relay", *words]), "COMP_CWORD": str(len(words))}
    lines = answer({"_RELAY_COMPLETE": f"{shell}_complete", "RELAY_TOPOLOGY": str(ROOT / "topics.yaml"), **typed})
    return [line.removeprefix("plain,") for line in lines]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["topi"], ["topics"]),
        (["topics", "p"], ["plan"]),
        (["topics", "plan", "--al"], ["--allow-repartition"]),
        (["run", "ecdp"], ["ecdp-sink"]),
        (["run", "ecdp-sink", "dcl"], ["dcl-poller"]),
        (["check", "--offline", "dcl"], ["dcl-poller"]),
        (["parked", "list", "--sink", "e"], ["ecdp-sink", "ecourier-sink"]),
        (["parked", "list", "--reason", "un"], ["undecodable", "unknown-order"]),
        (["poller", "reset", "ecourier"], ["ecourier-poller"]),
        (["tail", "order-c"], ["order-created"]),
        (["tail", "ecdp-parked"], ["ecdp-parked", "ecdp-parked-state"]),
        (["publish", "ecdp-parked"], []),
        (["publish", "order-created", ""], ["file,file"]),
        (["order", ""], []),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_what_may_follow_is_completed(words: list[str], found: list[str]) -> None:
    assert completed(*words) == found


def test_without_topics_yaml_only_names_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    typed = {"_RELAY_COMPLETE": "fish_complete", "COMP_WORDS": "relay run ", "COMP_CWORD": ""}
    assert list(answer(typed)) == []
    assert list(answer(typed | {"COMP_WORDS": "relay ru", "COMP_CWORD": "ru"})) == ["plain,run"]


def test_zsh_has_a_line_for_kind_word_and_description() -> None:
    assert completed("topics", "p", shell="zsh") == ["plain\nplan\n_"]


def test_bash_completes_with_the_script_that_relay_prints(tmp_path: Path) -> None:
    relay = tmp_path / "relay"
    relay.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m workers "$@"\n')
    relay.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(relay completion bash)"; COMP_WORDS=(relay run ecdp); COMP_CWORD=2; '
        '_relay_completion relay; echo "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("ecdp-sink\n", "")


def test_an_answer_imports_neither_click_nor_a_command() -> None:
    """They take longer to import than an answer may take."""
    code = (
        "import sys; from workers.cli.main import main; main()\n"
        "sys.exit(' '.join({'click', 'yaml', 'pydantic', 'kafka'} & set(sys.modules)) or 0)"
    )
    typed = {"_RELAY_COMPLETE": "bash_complete", "COMP_WORDS": "relay\nru", "COMP_CWORD": "1"}
    ran = subprocess.run([sys.executable, "-c", code], env=typed, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "plain,run\n"), ran.stderr
