"""Every command teaches: its help begins with lines that it takes, and no value that was given is silently dropped."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oneblock.bench.commands._app import cli
from oneblock.bench.commands._command import Command
from tests.helpers.oneblock_process import oneblock_here

TREE = Path(__file__).parents[3]
NAMES = cli.list_commands(click.Context(cli))


def command(name: str) -> Command:
    found = cli.get_command(click.Context(cli), name)
    assert isinstance(found, Command), name
    return found


@pytest.mark.parametrize("name", NAMES)
def test_help_begins_with_examples_that_the_command_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TREE)  # an example may name a file of the tree
    told = CliRunner().invoke(cli, [name, "--help"]).output
    first, line, *_ = told.splitlines()
    assert first in ("Example:", "Examples:")
    assert command(name).examples[0] == line.strip()
    for example in command(name).examples:
        words = shlex.split(example.partition(" > ")[0])
        assert words[:2] == ["oneblock", name]
        command(name).make_context(name, words[2:])  # a usage error is raised here


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("run --tier smoke --tier standard", "--tier takes one value, and 2 were given"),
        ("tune -B 1 -B 4 -B 16", "--batch takes one value, and 3 were given"),
        ("show x --stage hlo --stage llo -o nowhere", "--stage takes one value, and 2 were given"),
    ],
)
def test_a_second_value_of_an_option_that_has_one_is_refused(tmp_path: Path, words: str, says: str) -> None:
    done = oneblock_here(*words.split(), cwd=tmp_path)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_choices_flags_and_what_is_behind_a_dash_are_given_as_often_as_one_likes(tmp_path: Path) -> None:
    words = ["-B", "1", "-B", "4", "--dtype", "float32", "--dtype", "bfloat16", "--again", "--again"]
    given = command("run").make_context("run", words)
    assert (given.params["B"], given.params["dtypes"], given.params["again"]) == ((1, 4), ("float32", "bfloat16"), True)
    script = tmp_path / "script.py"
    script.write_text("")
    words = [str(script), "--target", "neuron:trn1", "--", "--target", "a", "--target", "b"]
    assert command("kernel").make_context("kernel", words).params["target"] == "neuron:trn1"
