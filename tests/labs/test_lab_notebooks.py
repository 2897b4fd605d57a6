"""Notebooks of labs: whole, the same each time, without a solution where one learns, and run in a kernel."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.lessons import notebook
from oneblock.bench.lessons.answers import read
from oneblock.bench.lessons.item import Part
from oneblock.bench.lessons.lab import Lab, cells, labs, named, tagged
from tests.helpers.oneblock_process import oneblock_here

WRITTEN = "%%writefile "
SOURCES = [*(lab.folder / "lab.py" for lab in labs()), notebook.LABS / "xla_tpu.py"]


def code(text: str) -> list[str]:
    """The code cells of a notebook."""
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]


def files(text: str) -> dict[str, str]:
    """What the cells that write a file write, by its name."""
    chosen = [cell.removeprefix(WRITTEN).partition("\n") for cell in code(text) if cell.startswith(WRITTEN)]
    return {Path(path).name: body for path, _, body in chosen}


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_notebook_is_the_same_each_time_and_holds_no_outputs(lab: Lab) -> None:
    for write in (notebook.starter, notebook.solution):
        text = write(lab, 7)
        assert text == write(lab, 7)
        assert text != write(lab, 8), "a shape of one's own"
        of = json.loads(text)["cells"]
        assert [cell["id"].rpartition("-")[2] for cell in of] == [str(number) for number in range(len(of))]
        assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in of)
        nbformat = pytest.importorskip("nbformat", reason="nbformat has the schema of notebooks")
        nbformat.validate(nbformat.reads(text, as_version=4))


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_starter_has_every_question_and_no_solution(lab: Lab, tmp_path: Path) -> None:
    """Its two forms are together the one that `start` writes, nothing filled in; what is to be made is in lab.py."""
    text = notebook.starter(lab, 7)
    assert "def solve" not in text
    assert "labs-of-mine" not in text, "its attempt lies beside it"
    whole = "\n".join(code(text))
    for cell in cells(lab.source()):
        body = cell.partition("\n")[2].strip("\n")
        assert (body in whole) == bool({"make", "kernel"} & {*tagged(cell)}) or "[markdown]" in cell or body == ""
    made = files(text)
    (tmp_path / "answers.toml").write_text(made["answers-1.toml"] + "\n" + made["answers-2.toml"])
    given = read(tmp_path, lab.name, lab.lesson, 7)
    assert [name for of in given.values() for name in of]
    assert {answer for of in given.values() for answer in of.values()} == {None}
    assert ("lab.py" in made) == any(item.part is Part.MAKE for item in lab.lesson.items)
    compile(made.get("lab.py", ""), lab.name, "exec")


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_solution_has_guesses_that_the_form_takes_and_no_answer_but_by_computing_it(lab: Lab) -> None:
    text = notebook.solution(lab, 7)
    given = tomllib.loads(files(text)["answers-1.toml"])["predict"]
    assert {answer for answer in given.values() if not isinstance(answer, str)} <= {1}
    for item in lab.lesson.items:
        assert not item.choices or given.get(item.name) in (None, next(iter(item.choices)))
    assert "answers-2.toml" not in files(text)
    assert "ANSWERS = solve(SHAPE, ARTIFACT)" in "\n".join(code(text))
    for cell in code(text):
        if not cell.startswith(WRITTEN):
            compile(cell, lab.name, "exec")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_source_is_read_as_jupytext_reads_it(source: Path) -> None:
    """The authority on py:percent."""
    jupytext = pytest.importorskip("jupytext", reason="jupytext reads py:percent; the test group has it")
    theirs = [cell for cell in jupytext.read(source, fmt="py:percent").cells if cell["cell_type"] != "raw"]
    ours = notebook.parsed(source.read_text(encoding="utf-8"))
    if not source.read_text(encoding="utf-8").startswith("# %%"):
        theirs = theirs[1:]  # what stands before the first cell is metadata, to us
    assert [cell.text for cell in ours] == [cell["source"] for cell in theirs]
    assert [list(cell.tags) for cell in ours] == [cell["metadata"].get("tags", []) for cell in theirs]


def test_a_badge_is_there_if_the_one_setting_names_where_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "badge" not in notebook.starter(named("13"), 7)
    (tmp_path / "index.toml").write_text('colab = "https://colab.example/labs"\n')
    monkeypatch.setattr(notebook, "LABS", tmp_path)
    for write, name in ((notebook.starter, "13_nki_ladder"), (notebook.solution, "13_nki_ladder-solution")):
        first = json.loads(write(named("13"), 7))["cells"][0]
        assert f"(https://colab.example/labs/{name}.ipynb)" in "".join(first["source"])


def test_start_writes_a_notebook_of_the_same_seed_and_never_over_another(tmp_path: Path) -> None:
    told = oneblock_here("lab", "start", "13", "--seed", "7", "--notebook", "--json", cwd=tmp_path)
    path = tmp_path / json.loads(told.stdout)["notebook"]
    assert path.read_text() == notebook.starter(named("13"), 7)
    path.write_text("mine")
    again = oneblock_here("lab", "notebooks", "13", cwd=tmp_path)
    assert (again.returncode, "nothing in it is overwritten" in again.stderr) == (2, True)
    assert path.read_text() == "mine"
    assert (tmp_path / "labs-of-mine" / "13_nki_ladder" / "state.json").exists()


def test_notebooks_of_a_lab_that_is_none_are_refused_with_those_that_are(tmp_path: Path) -> None:
    done = oneblock_here("lab", "notebooks", "99", cwd=tmp_path)
    assert (done.returncode, "13_nki_ladder" in done.stderr) == (2, True)
    assert not [*tmp_path.iterdir()]


def test_without_oneblock_and_a_source_the_first_cell_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = code(notebook.starter(named("13"), 7))[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONEBLOCK_SOURCE", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    names: dict[str, Any] = {}
    with pytest.raises(Exception, match="SOURCE names nothing to install it from: expected file:///") as refused:
        exec(compile(first, "first cell", "exec"), names)
    assert refused.value._render_traceback_() == [str(refused.value)]  # type: ignore[attr-defined]  # as IPython asks
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_starter_stops_at_its_check_and_its_solution_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of this Python's; `nox -s notebooks` does it in one without oneblock, from the wheel."""
    pytest.importorskip("nbclient", reason="nbclient runs notebooks; the notebooks group has it")
    pytest.importorskip("ipykernel", reason="a kernel runs cells; the notebooks group has it")
    from ci.notebooks import proven

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    lab = named("13")
    for solved in (False, True):
        notebook.write(lab, tmp_path, 7, solved=solved)
    proven(tmp_path, lab.name)
    starter = tmp_path / f"{lab.name}.ipynb"
    starter.write_text(starter.read_text().replace('lab(\\"check\\")', "1 / 0"))
    with pytest.raises(Exception, match="ZeroDivisionError"):  # an error that is none of the learner's
        proven(tmp_path, lab.name)
