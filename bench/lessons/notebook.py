"""Notebooks of a lab, the starter and the solution, written from its one source; the same bytes each time."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.answers import LATER, asked, form
from oneblock.bench.lessons.item import Item
from oneblock.bench.lessons.lab import LABS, Lab, cells, tagged
from oneblock.bench.records.files import write_whole

_FIRST = Path(__file__).parent / "assets" / "first_cell.txt"
_KERNEL = {"kernelspec": {"display_name": "Python 3", "name": "python3"}}
_BEGIN = """## Begin

The next cell installs oneblock where it is not here, and starts your attempt in the folder `{name}`. Cells that begin
with `%%writefile` are for you to fill in: run them to write answers.toml and lab.py. A cell with `lab(...)` is the
command that the text names, of that lab. The truth is in no cell: it is read off what your own run makes."""
_GUESSED = (
    "Predictions come before the run, which alone tells the truth: these are guesses, and a wrong one costs nothing."
)
_ANSWERED = """ASKED = {asked}
ANSWERS = solve(SHAPE, ARTIFACT)
lines = []
for part, names in ASKED.items():
    lines += [f"[{{part}}]", *(f"{{name}} = {{json.dumps(ANSWERS[name])}}" for name in names if name in ANSWERS)]
(FOLDER / "answers-2.toml").write_text("\\n".join(lines) + "\\n", encoding="utf-8")
ANSWERS"""
_ARTIFACT = """import json

ARTIFACT = json.loads((FOLDER / "artifact.json").read_text(encoding="utf-8"))
list(ARTIFACT)"""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook."""

    text: str
    tags: tuple[str, ...] = ()
    prose: bool = False


def parsed(source: str) -> list[Cell]:
    """The cells of a py:percent text, less what stands before the first."""
    found = []
    for cell in (cell for cell in cells(source) if cell.startswith("# %%")):
        first, _, text = cell.partition("\n")
        prose, text = "[markdown]" in first, text.strip("\n")
        text = text.removeprefix('"""').removesuffix('"""').strip("\n") if prose else text
        found.append(Cell(text, tuple(tagged(cell)), prose))
    return found


def written(name: str, of: Sequence[Cell], **metadata: Any) -> str:
    """The file of a notebook: cells get their numbers for ids, and nothing in it tells when or where it was made."""
    target = tomllib.loads((LABS / "index.toml").read_text(encoding="utf-8")).get("colab")
    badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target}/{name}.ipynb)"
    told = [Cell(badge, prose=True), *of] if target else of
    made = []
    for number, cell in enumerate(told):
        about: dict[str, Any] = {"id": f"{name}-{number}", "metadata": {"tags": [*cell.tags]} if cell.tags else {}}
        about |= {"cell_type": "markdown" if cell.prose else "code", "source": cell.text.splitlines(keepends=True)}
        if not cell.prose:
            about |= {"execution_count": None, "outputs": []}
        made.append(about)
    whole = {"cells": made, "metadata": _KERNEL | metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def starter(lab: Lab, seed: int) -> str:
    """A learner's notebook: the whole lab, solutions cut."""
    return written(lab.name, [*_cells(lab, seed, solved=False)])


def solution(lab: Lab, seed: int) -> str:
    """The notebook of somebody who has solved the lab; its answers are computed from what its run makes."""
    return written(f"{lab.name}-solution", [*_cells(lab, seed, solved=True)])


def _cells(lab: Lab, seed: int, *, solved: bool) -> Iterator[Cell]:
    source, shape = parsed(lab.source()), lab.lesson.shape(seed)
    about, steps = (cell for cell in source if cell.prose)
    text = steps.text.replace("labs-of-mine/", "")  # a notebook's attempt lies beside it
    predict, see, *make = re.split(r"\n\n(?=## )", text)
    first = form(lab.name, lab.lesson, seed, shape).rstrip()
    extras = f"[{','.join(extra.replace('_', '-') for extra in lab.needs)}]" if lab.needs else ""
    yield about
    yield Cell(_BEGIN.format(name=lab.name), prose=True)
    told = f'LAB, SEED, EXTRAS = "{lab.name}", {seed}, "{extras}"'
    yield Cell(f"{told}\n\n{_FIRST.read_text(encoding='utf-8').rstrip()}", ("install",))
    yield Cell(f"SHAPE = {pformat(dict(shape), sort_dicts=False)}", ("shape",))
    yield Cell(predict, prose=True)
    if solved:
        yield Cell(_GUESSED, prose=True)
        first = _guessed(first, lab.lesson.items)
    yield Cell(f"%%writefile {lab.name}/answers-1.toml\n{first}", ("answer",))
    yield Cell('lab("predict")', ("predict",))
    yield Cell('lab("run")', ("run",))
    yield Cell(see, prose=True)
    yield Cell(_ARTIFACT, ("see",))
    if solved:
        solve = next(cell for cell in source if "answers" in cell.tags)
        yield Cell(f"{solve.text}\n\n\n{_ANSWERED.format(asked=pformat(_asked(lab.lesson.items)))}", ("answer",))
    else:
        later = asked(lab.lesson, shape, LATER).strip()
        yield Cell(f"%%writefile {lab.name}/answers-2.toml\n{later}", ("answer",))
    yield from (Cell(text, prose=True) for text in make)
    kept = ("kernel", "solution" if solved else "make")
    code = [cell.text for cell in source if {*kept} & {*cell.tags} and "answers" not in cell.tags]
    if make:
        yield Cell("\n\n\n".join([f"%%writefile {lab.name}/lab.py", *code]).replace("\n\n\n", "\n", 1), ("make",))
    yield Cell('lab("check")', ("check",))


def _asked(items: Sequence[Item]) -> dict[str, list[str]]:
    """What is asked after the run, by part."""
    return {str(part): [item.name for item in items if item.part is part and item.measure is None] for part in LATER}


def _guessed(text: str, items: Sequence[Item]) -> str:
    """A form of predictions, filled in as by somebody who guesses: the first word, or 1."""
    for item in items:
        guess = json.dumps(next(iter(item.choices), 1))
        text = re.sub(rf'^{item.name} = "".*$', f"{item.name} = {guess}", text, flags=re.MULTILINE)
    return text


def write(lab: Lab, folder: Path, seed: int, *, solved: bool = False) -> Path:
    """Write a notebook of a lab into a folder; Refused where another is there, which may hold somebody's work."""
    path = folder / f"{lab.name}{'-solution' if solved else ''}.ipynb"
    raw = (solution if solved else starter)(lab, seed).encode()
    try:
        write_whole(path, raw, over=False)
    except FileExistsError:
        raise Refused(f"{path} is there already, and nothing in it is overwritten: go on with it, or move it") from None
    return path
