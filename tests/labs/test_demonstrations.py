"""Demonstrations: what a toolchain made of a shape that is nobody's, to be read by whoever has none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons import demonstration
from oneblock.bench.lessons import lab as course
from oneblock.bench.lessons.attempt import ARTIFACT, verdicts
from oneblock.bench.lessons.item import Standing
from oneblock.bench.lessons.lab import Lab, labs
from oneblock.bench.lessons.proof import by_part
from tests.helpers.oneblock_process import oneblock_here

CHECK = """
from oneblock.bench.lessons.item import Item, Lesson, Part
def run(shape, folder):
    if shape["beads"] < 50:
        return {"told": [], "absent": {"abacus": "there is no abacus here; buy one"}}
    (folder / "texts").mkdir()
    (folder / "texts" / "beads.txt").write_text("o" * shape["beads"])
    return {"abacus": shape["beads"], "told": [f"read on: {folder / 'texts'}"]}
LESSON = Lesson([{"beads": n} for n in range(9)], run, (
    Item("many", Part.OBSERVE, "beads?", lambda s, a: a["abacus"], "count", needs="abacus"),
), "Rule: count.", demonstration={"beads": 60})
"""


@pytest.mark.parametrize("lab", [lab for lab in labs() if lab.needs], ids=lambda lab: lab.name)
def test_each_lab_that_needs_a_toolchain_has_one_that_its_solution_answers(lab: Lab, tmp_path: Path) -> None:
    """No seed gives its shape; nothing in it is missing, and none of it tells where it was made."""
    place = demonstration.lay_out(lab, tmp_path)
    assert place is not None
    shape, software = demonstration.about(place)
    assert shape == json.loads(json.dumps(dict(lab.lesson.demonstration))), "made anew where the shape changes"
    assert shape not in [dict(one) for one in lab.lesson.shapes]
    assert software["numpy"]
    artifact = json.loads((place / ARTIFACT).read_bytes())
    judged = verdicts(lab, by_part(lab.lesson.items, lab.solve(shape, artifact)), shape, artifact, None)
    made = {item.name for item in lab.lesson.items if item.measure is not None}
    assert {one.item: one.standing for one in judged if one.item not in made} == {
        item.name: Standing.RIGHT for item in lab.lesson.items if item.name not in made
    }
    for path in (path for path in place.rglob("*") if path.is_file()):
        assert not re.search(rb"/[^\s\"]*/labs/\d\d_|oneblock-lab-", path.read_bytes()), (
            f"{path} tells where it was made"
        )


def test_it_is_laid_out_where_a_toolchain_is_missing_and_graded_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "course"
    (place / "21_beads").mkdir(parents=True)
    (place / "21_beads" / "check.py").write_text(CHECK)
    (place / "21_beads" / "lab.py").write_text('# %% tags=["shape"]\nSHAPE = {}\n')
    (place / "index.toml").write_text('[lab.21_beads]\ntitle = "Beads"\nminutes = 1\nmodules = []\nneeds = []\n')
    monkeypatch.setattr(course, "LABS", place)
    course.labs.cache_clear()
    try:
        (lab,) = labs()
        path = demonstration.record(lab)
        first = path.read_bytes()
        demonstration.record(lab)
        assert path.read_bytes() == first, "the same bytes of the same files"
        for action in ("start", "predict", "run"):
            ran = oneblock_here("lab", action, "21", cwd=tmp_path)
            assert ran.returncode == 0, ran.stderr
        assert "demonstration, which a run of beads 60 made with numpy" in ran.stdout
        assert "nothing of it is graded" in ran.stdout
        kept = tmp_path / "labs-of-mine" / "21_beads" / "demonstration"
        assert (kept / "texts" / "beads.txt").read_text() == "o" * 60
        assert (kept / "told.txt").read_text() == "read on: demonstration/texts\n"
        checked = oneblock_here("lab", "check", "21", cwd=tmp_path)
        assert checked.returncode == 1
        assert "many: not graded: abacus: there is no abacus here" in checked.stdout
        monkeypatch.setitem(lab.lesson.demonstration, "beads", 5)  # type: ignore[arg-type]
        with pytest.raises(Refused, match="21_beads: without abacus: there is no abacus here"):
            demonstration.record(lab)
        assert path.read_bytes() == first, "and what was kept before stays"
    finally:
        course.labs.cache_clear()
