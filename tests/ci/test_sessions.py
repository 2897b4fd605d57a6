"""Sessions as nox would call them, read without nox: what each goes on with after something failed."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class CommandFailed(Exception):
    """nox's own, of a command that exits otherwise than by 0."""


class Ended(Exception):
    """How nox ends a session that fails."""


class Session:
    """What nox gives a session, in which what has some word fails."""

    def __init__(self, failing: str | None = None) -> None:
        self.posargs, self.failing, self.asked = (), failing, list[str]()

    def run(self, *words: str, **_: Any) -> str:
        self.asked.append(" ".join(words))
        if words[0] == "oneblock" and self.failing and self.failing in self.asked[-1]:
            raise CommandFailed
        return "1.0"

    def error(self, sentence: str) -> None:
        raise Ended(sentence)


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Any:
    nox: Any = ModuleType("nox")
    nox.session = lambda function=None, **_: function or (lambda decorated: decorated)
    nox.parametrize = lambda *_, **__: lambda decorated: decorated
    nox.project = SimpleNamespace(
        load_toml=lambda path: tomllib.loads(Path(path).read_text()),
        dependency_groups=lambda project, name: tuple(project["dependency-groups"][name]),
    )
    command: Any = ModuleType("nox.command")
    command.CommandFailed = CommandFailed
    monkeypatch.setitem(sys.modules, "nox", nox)
    monkeypatch.setitem(sys.modules, "nox.command", command)
    monkeypatch.chdir(ROOT)
    for name in [name for name in sys.modules if name.startswith("ci.sessions")]:
        monkeypatch.delitem(sys.modules, name)
    toolchains = importlib.import_module("ci.sessions.toolchains")
    monkeypatch.setattr(toolchains, "install", lambda *_: None)
    return toolchains.releases


@pytest.mark.parametrize("failing", ["libtpu", "triton"])
def test_a_gate_that_is_shut_keeps_no_other_toolchain_from_being_tried(releases: Any, failing: str) -> None:
    session = Session(f"--toolchain {failing}=")
    with pytest.raises(Ended, match=f"^the newest {failing}: "):
        releases(session)
    tried = [one for one in session.asked if one.startswith("oneblock releases")]
    assert ["libtpu=1.0,newest" in tried[0], "triton=1.0,newest" in tried[1]] == [True, True]


def test_where_all_gates_are_open_the_session_ends_well(releases: Any) -> None:
    releases(session := Session())
    assert len([one for one in session.asked if one.startswith("oneblock releases")]) == 2
