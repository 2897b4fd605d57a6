"""Many seeds: what was found is kept and gone on with, and a lab whose seeds share their answers is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oneblock.bench.lessons import lab as course
from oneblock.bench.lessons.lab import module
from oneblock.bench.lessons.seeds import go_on

CHECK = """
from oneblock.bench.lessons.item import Item, Lesson, Part
RUNS = []
def run(shape, folder):
    RUNS.append(shape["a"])
    return {"sum": shape["a"] + 1}
LESSON = Lesson([{"a": a} for a in range(10)], run, (
    Item("total", Part.OBSERVE, "{a} + 1?", lambda s, a: a["sum"], "add"),
), "Rule: add.")
"""
LAB = '''# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """One more."""
    return {"total": shape["a"] + 1}
'''


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[course.Lab]:
    """A course of one lab, which counts its runs."""
    place = tmp_path / "course"
    (place / "21_sums").mkdir(parents=True)
    (place / "21_sums" / "check.py").write_text(CHECK)
    (place / "21_sums" / "lab.py").write_text(LAB)
    (place / "index.toml").write_text('[lab.21_sums]\ntitle = "Sums"\nminutes = 1\nmodules = []\nneeds = []\n')
    monkeypatch.setattr(course, "LABS", place)
    course.labs.cache_clear()
    (found,) = course.labs()
    runs(found).clear()
    yield found
    course.labs.cache_clear()


def runs(lab: course.Lab) -> list[int]:
    found: list[int] = module(lab.folder / "check.py").RUNS
    return found


def test_what_was_found_is_kept_and_made_anew_where_the_lab_is_another(sums: course.Lab, tmp_path: Path) -> None:
    for seeds in (3, 5):
        (found,) = go_on([sums], seeds, tmp_path / "kept", 60)
        assert len(found.answers) == len({*found.answers.values()}) == seeds
        assert not found.lacks(seeds)
    assert len(runs(sums)) == 5, "three, and two more"
    (sums.folder / "lab.py").write_text(LAB.replace("One more", "And one"))
    go_on([sums], 5, tmp_path / "kept", 60)
    assert len(runs(sums)) == 10


def test_a_seed_at_fault_or_a_file_that_is_none_is_found_anew(sums: course.Lab, tmp_path: Path) -> None:
    (sums.folder / "lab.py").write_text(LAB.replace("+ 1}", "+ (shape['a'] != 0)}"))
    (found,) = go_on([sums], 3, tmp_path / "kept", 60)
    assert [fault.startswith("21_sums, seed 0: total = 0 is wrong") for fault in found.lacks(3)] == [True]
    for text in ("[", "[]", '{"of": 1}', json.dumps({"answers": 1})):
        (tmp_path / "kept" / "21_sums" / "1.json").write_text(text)
        runs(sums).clear()
        go_on([sums], 3, tmp_path / "kept", 60)
        assert len(runs(sums)) == 2, "that at fault, and the damaged one"


def test_when_the_time_is_over_the_rest_is_left(sums: course.Lab, tmp_path: Path) -> None:
    (found,) = go_on([sums], 3, tmp_path / "kept", 0)
    assert (found.answers, found.lacks(3), runs(sums)) == ({}, [], [])


def test_seeds_that_share_their_answers_are_named(sums: course.Lab, tmp_path: Path) -> None:
    check = (sums.folder / "check.py").read_text()
    (sums.folder / "check.py").write_text(check.replace('a["sum"]', "1"))
    (sums.folder / "lab.py").write_text(LAB.replace('shape["a"] + 1', "1"))
    sys.modules.pop(next(name for name in sys.modules if name.endswith("_21_sums_check")))
    (found,) = go_on([sums], 5, tmp_path / "kept", 60)
    assert found.lacks(5) == ["21_sums: 1 different sets of answers, expected 95% of 5"]
