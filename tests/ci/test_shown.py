"""What README and docs show is so: each command runs, or says what it needs; what it printed is what it prints."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

import click
import pytest

from ci import shown
from oneblock.bench.commands import _app
from tests.conftest import REQUIRED
from tests.helpers.oneblock_process import cache_folder

BLOCKS = [block for page in shown.pages() for block in shown.blocks(page)]
EXTRAS = set(re.findall(r"^(\w+) = \[", (shown.ROOT / "pyproject.toml").read_text(), re.MULTILINE))
SESSIONS = {
    name
    for file in (shown.ROOT / "noxfile.py", *(shown.ROOT / "ci" / "sessions").glob("*.py"))
    for name in re.findall(r"^@nox[^\n]*\n(?:@nox[^\n]*\n)*def (\w+)", file.read_text(), re.MULTILINE)
}
OF_OTHERS = {"ls", "tar", "python", "python3", "pip", "uv", "git"}


def why_not(command: str) -> str | None:
    """Why the programs of a command line would refuse it, as far as that can be told without running it."""
    for part in re.split(r"&&|\|", command.replace(".venv/bin/", "")):
        words = shlex.split(re.sub(r"\d?>(&\d| ?\S+)", "", part))
        words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]  # variables of the environment
        if words[0] == "oneblock":
            if len(words) > 1 and (said := unparsed(words[1:])):
                return said
        elif words[0] == "nox":
            named = [word for before, word in pairwise(words) if before == "-s"]
            if missing := {name.partition("(")[0] for name in named} - SESSIONS:
                return f"no session {missing}"
        elif words[0] not in OF_OTHERS | {"grep"}:
            return f"{words[0]} is nothing that these pages start"
    return None


def unparsed(words: list[str]) -> str | None:
    command = _app.cli.get_command(click.Context(_app.cli), words[0])
    if command is None:
        return f"no command {words[0]}"
    try:
        command.make_context(words[0], words[1:])
    except click.exceptions.Exit:
        return None
    except click.ClickException as error:
        return error.format_message()
    return None


def faults(block: shown.Block) -> list[str]:
    unknown = sorted(set(block.needs) - shown.NEEDS.keys() - EXTRAS)
    found = [*block.faults, *(f"needs {name!r}, which is no extra and none of {[*shown.NEEDS]}" for name in unknown)]
    said = ((one.command, why_not(one.command)) for one in block.commands)
    return found + [f"`{command}`: {why}" for command, why in said if why]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_each_command_is_one_and_each_mark_is_known(block: shown.Block) -> None:
    assert not faults(block)


@pytest.mark.parametrize("page", shown.pages(), ids=lambda page: page.name)
def test_each_session_that_a_page_names_is_there(page: Path) -> None:
    named = set(re.findall(r"nox -s \"?(\w+)", page.read_text(encoding="utf-8")))
    assert named <= SESSIONS, f"{page.name} names {named - SESSIONS}"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's first commands have been run."""
    made = tmp_path_factory.mktemp("shown")
    for block in shown.blocks(shown.README):
        if shown.runs(block, ()):
            shown.run(block, made, ENV)
    return made


ENV = {**os.environ, "XDG_CACHE_HOME": cache_folder(), "ONEBLOCK_DISTURBANCE": "ignore"}
LIGHT: tuple[str, ...] = ()  # what needs nothing more than the light environment


def with_blocks(having: Collection[str]) -> list[Path]:
    """The pages with something that is run by who has these extras, and not without."""
    return [
        page
        for page in shown.pages()[1:]
        if any(shown.runs(one, having) and bool(one.needs) == bool(having) for one in shown.blocks(page))
    ]


PAGES = [pytest.param(page, LIGHT, id=page.name) for page in with_blocks(LIGHT)]
# A compiler takes minutes for what pages show of it.
PAGES += [
    pytest.param(page, REQUIRED, id=f"{page.name}-whole", marks=pytest.mark.whole) for page in with_blocks(REQUIRED)
]


@pytest.mark.parametrize(("page", "having"), PAGES)
def test_what_a_page_shows_runs_and_prints_what_it_says(
    page: Path, having: Collection[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In the light environment what needs nothing more; in a toolchain's session, what needs that toolchain, too."""
    if not having and (here := [name for name in ("torch", "jax", "tvm") if importlib.util.find_spec(name)]):
        pytest.skip(f"pages show what NumPy alone does, and {', '.join(here)} is here: `nox -s docs`")
    folder = tmp_path / "page"
    if shown.follows_the_readme(page):
        shutil.copytree(request.getfixturevalue("begun"), folder, symlinks=True)
    folder.mkdir(exist_ok=True)
    for block in shown.blocks(page):
        if shown.runs(block, having):
            for one, printed in zip(block.commands, shown.run(block, folder, ENV), strict=True):
                if one.output:
                    assert shown.masked(printed) == shown.masked(one.output), f"{block.where}: python ci/shown.py"


def test_the_readme_and_pages_have_commands_that_run() -> None:
    """Else the tests above would hold of nothing."""
    light = {page.name for page in shown.pages() if any(shown.runs(block, ()) for block in shown.blocks(page))}
    assert light >= {"README.md", "records.md", "models.md", "course.md", "neuron.md"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```console\n$ oneblock shew\n```", "no command shew"),
        ("```sh\noneblock run block --prezet tiny\n```", "No such option"),
        ("```sh\noneblock run block -T many\n```", "is not a valid integer"),
        ("```sh\nnox -s nothing\n```", "no session"),
        ("```sh\nrm -r records\n```", "nothing that these pages start"),
        ("```sh needs=a_gpu\noneblock doctor\n```", "needs 'a_gpu'"),
        ("```sh need=xla_tpu\noneblock doctor\n```", "marked 'need'"),
        ("```\n$ oneblock doctor\n```", "expected sh or console"),
        ("```python\noneblock run block\n```", "expected sh or console"),
    ],
)
def test_a_page_that_shows_what_is_not_so_is_refused(text: str, said: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text + "\n")
    (block,) = shown.blocks(page)
    assert any(said in fault for fault in faults(block)), faults(block)


def test_an_unmarked_block_that_cannot_run_here_and_an_output_that_is_typed_are_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ oneblock show nothing -o none\n```\n\n```console keep=^b\n$ echo beta 12 ms\nbeta 3 s\n```\n"
    )
    missing, echo = shown.blocks(page)
    with pytest.raises(RuntimeError, match="mark the block: needs=NAME"):
        shown.run(missing, tmp_path, ENV)
    (printed,) = shown.run(echo, tmp_path, ENV)
    assert shown.masked(printed) == shown.masked(echo.commands[0].output), "a time may differ"
    assert shown.masked(printed) != shown.masked(["gamma 12 ms"])
    assert shown.rewritten(page, {echo.commands[0].line: printed}).count("beta 12 ms") == 2


def test_two_records_of_one_cell_have_one_name_but_for_their_hashes_and_times() -> None:
    names = [
        f"norm-T16.{identity}.20261129T043052.108Z.00000{n}.json"
        for n, identity in enumerate(("19ed35f02c4e894d", "8cd1deb77b00ffe3"))
    ]
    assert shown.masked(names[:1]) == shown.masked(names[1:])
    assert shown.masked(names[:1]) != shown.masked([names[0].replace("norm", "mlp")])
