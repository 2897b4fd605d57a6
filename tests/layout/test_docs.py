"""README and docs: what they link to is there, and each command that they show has the options that they give it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from oneblock.bench.commands import _app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
_SHOWN = re.compile(r"(?:^\$ |`|\.venv/bin/)oneblock ([a-z]+)((?:[^`#\n]|\\\n)*)", re.MULTILINE)


def shown(page: Path) -> list[tuple[str, list[str]]]:
    """(a command, the options that it is given) of each time that a page shows one."""
    found = _SHOWN.findall(page.read_text(encoding="utf-8"))
    return [(name, re.findall(r"(?<!\S)(--[a-z-]+|-[A-Za-z])(?=[\s=]|$)", rest)) for name, rest in found]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target, _ in _LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def options_of(command: click.Command | None) -> set[str]:
    assert command is not None
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_each_command_that_a_page_shows_takes_what_it_is_given(page: Path) -> None:
    for name, options in shown(page):
        command = _app.cli.get_command(click.Context(_app.cli), name)
        assert command is not None, f"{page.name} shows `oneblock {name}`"
        known = options_of(command)
        if name == "releases":  # whose words are those of another
            known |= options_of(_app.cli.get_command(click.Context(_app.cli), "run"))
        assert set(options) <= known | {"--help"}, f"{page.name} shows `oneblock {name}` with {options}"


def test_the_pictures_of_the_page_are_small_and_alike() -> None:
    named = re.findall(r'(?:src|srcset)="([^"]+)"', (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {Path(name).stem for name in named} == {"page-light", "page-dark"}
    heads = [(ROOT / name).read_bytes()[:24] for name in named]
    assert all(head[:8] == b"\x89PNG\r\n\x1a\n" for head in heads)
    assert len({head[16:24] for head in heads}) == 1, "one size in both schemes"
    assert all((ROOT / name).stat().st_size < 250_000 for name in named)


def test_commands_are_found_on_the_pages() -> None:
    """Else the test above would hold of nothing."""
    assert ("run", ["--preset", "-o"]) in shown(ROOT / "README.md")
    assert {name for name, _ in shown(ROOT / "README.md")} >= {"doctor", "run", "show", "compare", "bisect", "report"}


def test_the_readme_shows_before_it_tells() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert sum(len(line.split()) for line in lines) <= 1300
    first = next(number for number, line in enumerate(lines, 1) if "oneblock run" in line)
    assert first <= 30
