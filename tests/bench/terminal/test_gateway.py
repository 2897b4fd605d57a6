"""What reaches a terminal: by one way out, and nothing on it that a terminal would obey."""

from __future__ import annotations

import ast
import io
import json
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from oneblock import bench
from oneblock.bench.format.out import note, say, say_json
from oneblock.bench.format.text import escaped, visible
from oneblock.bench.records.store import to_json
from oneblock.bench.terminal import screen
from oneblock.bench.terminal.screen import Screen, console, show

FOLDER = Path(bench.__file__).parent
WAYS_OUT = {"format/out.py": {"echo"}, "terminal/screen.py": {"echo", "echo_via_pager"}}
WRITES = {"echo", "secho", "echo_via_pager", "print_exc", "print_exception", "print_tb", "writelines"}
OBEYED = [
    "\x1b[31mred", "\x1b]0;title\x07", "\x1b]8;;https://evil.example\x1b\\link", "\x9b31m", "\x00", "\x08\x08",
    "\rover", "\x7f", "\x85", "\u202eevil\u202c", "\u2066x\u2069", "\u200e", "\u200f", "\u061c", "\ufeff", "\udc80",
    "\U000e0001",
]  # fmt: skip
MARKUP = ["[link=https://evil.example]x[/link]", "[/]", "[bold]x", "[", "[[", ":smile:", "[red]x[/red]"]


def harmless(text: str) -> bool:
    """Whether a terminal only shows it."""
    return not [one for one in text if one not in "\n\t" and unicodedata.category(one) in ("Cc", "Cf", "Cs")]


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("print", "Console"):
                yield node.func.id
            if isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
                yield node.func.attr


def test_everything_is_written_by_the_ways_out() -> None:
    names = {path: path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py")}
    found = {name: set(calls(path)) for path, name in names.items() if not name.startswith("worker/")}  # into its log
    assert {name: writes for name, writes in found.items() if writes} == WAYS_OUT


def test_the_second_look_passes_over_no_character_that_is_obeyed() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert harmless(visible(everything))
    assert harmless(escaped(everything))


@pytest.mark.parametrize("text", [*OBEYED, *MARKUP])
def test_a_line_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str], text: str) -> None:
    say(f"a {text} b")
    note(f"a {text} b")
    out, err = capsys.readouterr()
    assert harmless(out)
    assert out == err == f"a {visible(text)} b\n"


@pytest.mark.parametrize("text", [one for one in OBEYED if one != "\udc80"])
def test_json_has_the_same_values_in_harmless_characters(capsys: pytest.CaptureFixture[str], text: str) -> None:
    say_json(to_json({text: [text]}).decode())
    out, _ = capsys.readouterr()
    assert harmless(out)
    assert json.loads(out) == {text: [text]}


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("text", [*OBEYED, *MARKUP])
def test_tables_and_progress_show_texts_as_they_are(text: str, is_terminal: bool) -> None:
    file = io.StringIO()
    out = Screen(file=file, force_terminal=is_terminal, width=400, color_system=None, legacy_windows=False)
    table = Table(title=f"title {text}", caption=f"caption {text}")
    table.add_column(f"heading {text}")
    table.add_row(f"cell {text}")
    table.add_row(Text(f"cell {text}", style="bold"))
    out.print(table)
    out.print(f"line {text}")
    out.print(Text(f"line {text}"))
    said = file.getvalue()
    assert harmless(said.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[3m", ""))
    kept = text.translate(dict.fromkeys(map(ord, "\a\b\v\f\r")))  # of these rich shows nothing
    assert f"line {visible(kept)}" in said
    assert "\x1b]8" not in said
    with Progress(TextColumn("{task.description}", markup=False), console=out) as bar:
        bar.add_task(f"doing {text}")
        bar.refresh()
    drawn = file.getvalue()[len(said) :]
    assert text in MARKUP or text not in drawn


def test_the_consoles_are_such_screens() -> None:
    assert isinstance(console(), Screen)
    assert isinstance(console(stderr=True, quiet=True), Screen)


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("text", OBEYED[1:])
def test_a_shown_line_has_our_colours_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, colours: bool
) -> None:
    monkeypatch.setattr(screen, "wants_colours", lambda: colours)
    show([f"\x1b[31m{text}\x1b[0m"], pager=False)
    out, _ = capsys.readouterr()
    assert harmless(out.replace("\x1b[31m", "").replace("\x1b[0m", "") if colours else out)


def test_json_is_ascii_and_has_the_same_values() -> None:
    texts = ["\u00a0", "é", "µs", "\u2028", "日本", "\U0001f600", "\x9b31m", "\u202e", 'tab\tand \\ and "']
    said = escaped(json.dumps(texts, ensure_ascii=False))
    assert said.isascii()
    assert said.isprintable()
    assert json.loads(said) == texts
