"""Each command that docs/releases.md shows for a published regression is one that `oneblock releases` takes."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from oneblock.bench.commands.releases import COMMAND
from oneblock.bench.format.errors import Refused
from oneblock.bench.toolchains.asked import parse_all

HERE = Path(__file__).parents[2]
SHOWN = re.findall(r"\| `(oneblock releases --script [^`]*)` \|", (HERE / "docs" / "releases.md").read_text())
SCRIPTS = sorted((HERE / "ci" / "regressions").glob("*.py"))


def taken(command: str) -> Path:
    """The script that a command names; click and the toolchains' own rules refuse what is no command."""
    asked = COMMAND.make_context("oneblock releases", shlex.split(command)[2:]).params
    parse_all(asked["toolchains"])
    return Path(asked["script"])


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_that_is_shown_is_taken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    assert (HERE / taken(command)) in SCRIPTS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_the_command_that_is_shown_for_it(path: Path) -> None:
    said = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    shown = [command for command in SHOWN if path.relative_to(HERE).as_posix() in command]
    assert shown
    assert all(command in said for command in shown)


def test_what_is_no_command_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    with pytest.raises(click.UsageError, match="does not exist"):
        taken("oneblock releases --script ci/regressions/of_nobody.py --toolchain triton=3.6.0")
    with pytest.raises(Refused, match="expected NAME=VERSION"):
        taken(f"oneblock releases --script {SCRIPTS[0]} --toolchain triton")
