"""Who gives a command is kept by a name that says something, also where the system knows none."""

import getpass
import socket

import pytest

from workers.cli.operator import operator


def test_an_operator_is_user_and_host_or_the_name_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert operator("") == f"ada@{socket.gethostname()}"
    assert operator(" grace ") == "grace"
    assert operator("\udcff") == "?"


def test_a_container_that_knows_no_name_for_its_user_gives_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert operator("").startswith("uid ")
    assert "unknown" not in operator("")
