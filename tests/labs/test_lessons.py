"""The machinery of labs, by a course of one small lab: turns are kept, edits are found, and nothing bad is graded."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from oneblock.bench.lessons import attempt, grading, state
from oneblock.bench.lessons import lab as course
from tests.helpers.oneblock_process import oneblock_here

CHECK = """
from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.item import Item, Lesson, Misconception, Part
def run(shape, folder):
    return {"sum": shape["a"] + shape["b"], "told": ["summed"], "absent": {"abacus": "there is no abacus here"}}
def measure(script, shape):
    return script.read_text().count("x")
WIDE = Misconception("product", lambda s, a: s["a"] * s["b"], "{a} and {b} are added")
LESSON = Lesson(
    [{"a": a, "b": b} for a in range(2, 9) for b in range(10, 20)], run,
    (
        Item("guess", Part.PREDICT, "{a} + {b}?", lambda s, a: a["sum"], "add", (WIDE,)),
        Item("total", Part.OBSERVE, "the sum?", lambda s, a: a["sum"], "read it", (WIDE,), within=0.01),
        Item("why", Part.EXPLAIN, "why?", lambda s, a: "added", "no", choices={"added": "+", "multiplied": "*"}),
        Item("beads", Part.OBSERVE, "beads?", lambda s, a: a["abacus"], "count", needs="abacus"),
        Item("crosses", Part.MAKE, "three", lambda s, a: 3, "three", measure=measure),
    ), "Rule: add.",
)
"""
LAB = '''# %% [markdown]
"""# Sums"""

# %% tags=["shape"]
SHAPE = {}

# %% tags=["make"]
""

# %% tags=["solution"]
"xxx"

# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """It is the sum."""
    both = shape["a"] + shape["b"]
    return {"guess": both, "total": both, "why": "added", "beads": 0}
'''
INDEX = "".join(f'[lab.0{n}_sums{n}]\ntitle = "Sums"\nminutes = 1\nmodules = []\nneeds = []\n' for n in (1, 2))


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which lab 1 of a course of two was started."""
    place = tmp_path / "course"
    for name in ("01_sums1", "02_sums2"):
        (place / name / "wrong").mkdir(parents=True)
        (place / name / "check.py").write_text(CHECK)
        (place / name / "lab.py").write_text(LAB)
    (place / "index.toml").write_text(INDEX)
    monkeypatch.setattr(course, "LABS", place)
    course.labs.cache_clear()
    (tmp_path / "me").mkdir()
    assert lab(tmp_path / "me", "start", "1", "--seed", "3") == (0, "")
    yield tmp_path / "me"
    course.labs.cache_clear()


def lab(cwd: Path, *words: str) -> tuple[int, str]:
    """The exit status, and what was refused."""
    done = oneblock_here("lab", *words, cwd=cwd)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def folder(learner: Path) -> Path:
    return learner / "labs-of-mine" / "01_sums1"


def sums(learner: Path) -> dict[str, int]:
    shape: dict[str, int] = json.loads((folder(learner) / "state.json").read_text())[0]["shape"]
    return shape


def fill(learner: Path, **answers: str) -> None:
    """Write answers into the form, as TOML."""
    path = folder(learner) / "answers.toml"
    lines = path.read_text().splitlines()
    for name, value in answers.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in lines]
    path.write_text("\n".join(lines) + "\n")


def done(learner: Path) -> None:
    """A right solution, checked."""
    both = str(sum(sums(learner).values()))
    script = folder(learner) / "lab.py"
    script.write_text(script.read_text() + '\n"xxx"\n')
    ran(learner, guess=both, total=both, why='"added"')


def ran(learner: Path, guess: str, **answers: str) -> None:
    """Predicted and run; the other answers are filled in once the form asks for them."""
    fill(learner, guess=guess)
    assert lab(learner, "predict", "1")[0] == 0
    fill(learner, **answers)
    assert lab(learner, "run", "1")[0] == 0


def test_a_right_solution_passes_and_what_no_tool_can_tell_is_ungraded_and_not_passed(learner: Path) -> None:
    done(learner)
    told = json.loads(oneblock_here("lab", "check", "1", "--json", cwd=learner).stdout)
    by_name = {one["item"]: one["standing"] for one in told["items"]}
    assert told["passed"]
    assert by_name.pop("beads") == "ungraded"
    assert set(by_name.values()) == {"right"}
    assert "Rule: add." in oneblock_here("lab", "check", "1", cwd=learner).stdout
    assert "01_sums1" in oneblock_here("lab", "report", cwd=learner).stdout


def test_a_wrong_prediction_costs_nothing_and_a_wrong_observation_gets_the_hint_of_its_misconception(
    learner: Path,
) -> None:
    done(learner)
    fill(learner, total=str(sums(learner)["a"] * sums(learner)["b"]))
    said = oneblock_here("lab", "check", "1", cwd=learner)
    assert said.returncode == 1
    assert f"total: think again: {sums(learner)['a']} and {sums(learner)['b']} are added" in said.stdout
    reported = oneblock_here("lab", "report", cwd=learner).stdout
    assert f"01_sums1, total: {sums(learner)['a']} and {sums(learner)['b']} are added" in reported
    assert str(sum(sums(learner).values())) not in said.stdout.split("total")[1].split("\n")[0], "the truth is not told"


def test_predictions_that_are_wrong_do_not_block(learner: Path) -> None:
    (folder(learner) / "lab.py").write_text("xxx")
    ran(learner, guess="1", total=str(sum(sums(learner).values())), why='"added"')
    said = oneblock_here("lab", "check", "1", cwd=learner)
    assert said.returncode == 0
    assert "guess: you predicted 1, which is not so" in said.stdout
    assert "think again" not in said.stdout, "it is locked"


def test_what_tells_of_the_run_is_asked_after_the_predictions_are_locked(learner: Path) -> None:
    form = folder(learner) / "answers.toml"
    assert "the sum?" not in form.read_text()
    assert 'guess = ""  # a number, without quotes' in form.read_text()
    fill(learner, guess="1")
    lab(learner, "predict", "1")
    assert form.read_text().count("the sum?") == 1
    assert "guess = 1" in form.read_text()


def test_every_answer_of_another_type_is_named_at_once(learner: Path) -> None:
    fill(learner, guess="1")
    lab(learner, "predict", "1")
    fill(learner, total='"2"', why='"summed"')
    status, why = lab(learner, "run", "1")
    assert status == 2
    assert "[observe] total: expected a number without quotes" in why
    assert "[explain] why: expected one of added, multiplied" in why


def test_what_a_toolchain_is_missing_for_is_said_at_start_once_at_check_and_is_not_passed(learner: Path) -> None:
    """By a lab whose items need what is not here, but for one of five; each is named, and why it is stands once."""
    place = learner.parent / "course" / "02_sums2"
    (place.parent / "index.toml").write_text(INDEX[: INDEX.rindex("needs = []")] + 'needs = ["no_such"]\n')
    needed = CHECK
    for end in ("(WIDE,))", "within=0.01)", "measure=measure)"):
        needed = needed.replace(end, f'{end[:-1]}, needs="abacus")')
    (place / "check.py").write_text(needed)
    course.labs.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(course, "missing", lambda extra: [f"{extra}-wheel>=3"])
        assert "no_such is not here, which items of this lab need: no_such-wheel>=3" in lab(learner, "start", "2")[1]
        assert "no_such (not here)" in " ".join(oneblock_here("lab", "list", cwd=learner).stdout.split())
    form = learner / "labs-of-mine" / "02_sums2" / "answers.toml"
    for action, name, value in (("predict", "guess", "1"), ("run", "why", '"added"')):
        form.write_text(form.read_text().replace(f'{name} = ""', f"{name} = {value}"))
        assert lab(learner, action, "2")[0] == 0
    said = oneblock_here("lab", "check", "2", cwd=learner)
    assert said.returncode == 1
    assert said.stdout.count("there is no abacus here") == 1
    assert "guess, total, beads, crosses: not graded: abacus" in said.stdout
    assert "not graded enough: 1 of 5 items" in said.stdout
    assert "passed" not in said.stdout
    assert "Rule" not in said.stdout
    page = written(learner)
    assert "A check was made, and it could grade no prediction" in page
    assert page.count("Nothing was checked yet") == 1, "of lab 1"


def test_the_starter_has_no_solution_and_does_not_pass(learner: Path) -> None:
    text = (folder(learner) / "lab.py").read_text()
    assert "xxx" not in text
    assert "solve" not in text
    assert str(sums(learner)["b"]) in text, "a shape of one's own"
    fill(learner, guess="1")
    assert [lab(learner, action, "1")[0] for action in ("predict", "run", "check")] == [0, 0, 1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"17"', "expected a number without quotes"),
        ("true", "expected a number"),
        ("nan", "expected a number"),
        ("[1]", "expected a number"),
        ("""'__import__("os").system("touch hacked")'""", "formulas are not computed"),
        ("1 + 1", "no TOML"),
        ("1e31", "expected a number"),
        ("0x" + "f" * 5000, "expected a number"),
        ("9" * 5000, "no TOML"),
        ("[" * 3000, "no TOML"),
        ("1979-05-27", "expected a number"),
    ],
)
def test_a_prediction_of_another_type_is_refused_and_nothing_in_it_is_run(learner: Path, value: str, said: str) -> None:
    fill(learner, guess=value)
    status, why = lab(learner, "predict", "1")
    assert (status, said in why) == (2, True), why
    assert not (learner / "hacked").exists()


def test_predictions_come_before_the_run_and_stay_as_they_were(learner: Path) -> None:
    assert "predict first" in lab(learner, "run", "1")[1]
    assert "guess: not filled in" in lab(learner, "predict", "1")[1]
    done(learner)
    assert "locked already" in lab(learner, "predict", "1")[1]
    fill(learner, guess="4")
    for action in ("check", "run"):
        status, why = lab(learner, action, "1")
        assert (status, "guess: locked as" in why) == (2, True), why


def test_a_check_without_its_artifact_or_with_one_of_another_hand_is_refused(learner: Path) -> None:
    fill(learner, guess="1")
    lab(learner, "predict", "1")
    assert "nothing was run here" in lab(learner, "check", "1")[1]
    lab(learner, "run", "1")
    artifact = folder(learner) / "artifact.json"
    artifact.write_text(artifact.read_text().replace('"sum": ', '"sum": 1'))
    assert "not what the run made" in lab(learner, "check", "1")[1]
    artifact.unlink()
    assert "is gone" in lab(learner, "check", "1")[1]


def chained(events: list[dict[str, Any]]) -> str:
    """As somebody writes a state who knows how."""
    before = ""
    for event in events:
        before = event["hash"] = state._hash(event, before)
    return json.dumps(events)


EDITS: dict[str, Callable[[str], str]] = {
    "a seed": lambda text: text.replace('"seed": 3', '"seed": 4'),
    "a prediction": lambda text: text.replace('"guess": ', '"guess": 1'),
    "an event left out": lambda text: json.dumps([e for e in json.loads(text) if e["what"] != "predict"]),
    "no JSON": lambda _: "{",
    "no events": lambda _: "[]",
    "deep": lambda _: "[" * 100_000,
    "numbers": lambda _: "[1, 2]",
    "a chain made anew without what an event tells": lambda text: chained([*json.loads(text)[:1], {"what": "predict"}]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_state_that_was_edited_is_found(learner: Path, edit: str) -> None:
    done(learner)
    path = folder(learner) / "state.json"
    path.write_text(EDITS[edit](path.read_text()))
    status, why = lab(learner, "check", "1")
    assert (status, "start again elsewhere" in why) == (2, True), why


def test_the_state_or_the_form_of_another_lab_or_seed_is_refused(learner: Path) -> None:
    assert lab(learner, "start", "2", "--seed", "3")[0] == 0
    assert lab(learner, "start", "1", "--seed", "4", "--in", "other")[0] == 0
    other = learner / "labs-of-mine" / "02_sums2"
    (other / "state.json").write_bytes((folder(learner) / "state.json").read_bytes())
    assert "is of 01_sums1, seed 3, not of 02_sums2" in lab(learner, "predict", "2")[1]
    form = learner / "other" / "01_sums1" / "answers.toml"
    (folder(learner) / "answers.toml").write_bytes(form.read_bytes())
    assert "seed: expected 3, as the lab was started, got 4" in lab(learner, "predict", "1")[1]


def test_two_at_once_and_a_second_start_are_refused(learner: Path) -> None:
    fill(learner, guess="1")
    lab(learner, "predict", "1")
    with FileLock(folder(learner) / ".lock"):
        assert "another `oneblock lab` is at work here" in lab(learner, "run", "1")[1]
    assert lab(learner, "run", "1")[0] == 0
    assert "nothing in it is overwritten" in lab(learner, "start", "1")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "9"), "unknown lab '9'"),
        (("start", "²"), "unknown lab"),
        (("start",), "expected one lab"),
        (("grade",), "expected the folders"),
        (("check", "2"), "no lab was started here"),
    ],
)
def test_what_is_no_lab_is_refused_with_those_there_are(learner: Path, words: tuple[str, ...], said: str) -> None:
    status, why = lab(learner, *words)
    assert (status, said in why) == (2, True), why


def test_unknown_answers_are_named(learner: Path) -> None:
    path = folder(learner) / "answers.toml"
    path.write_text(path.read_text().replace("guess =", "gues ="))
    assert "did you mean 'guess'" in lab(learner, "predict", "1")[1]


def test_an_instructor_derives_all_anew_and_is_told_who_edited_what(learner: Path) -> None:
    done(learner)
    assert lab(learner, "start", "2", "--seed", "5")[0] == 0
    edited = learner / "labs-of-mine" / "02_sums2" / "state.json"
    edited.write_text(edited.read_text().replace('"seed": 5', '"seed": 6'))
    assert lab(learner, "start", "2", "--in", "linked")[0] == 0
    form = learner / "linked" / "02_sums2" / "state.json"
    form.unlink()
    form.symlink_to(edited)
    artifact = folder(learner) / "artifact.json"
    artifact.write_text("{}")  # no part of what is graded
    said = oneblock_here("lab", "grade", "labs-of-mine", "linked", cwd=learner)
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert said.returncode == 1
    assert {row["passed"] for row in rows if row["lab"] == "01_sums1"} == {"partly"}
    assert {row["artifact"] for row in rows if row["lab"] == "01_sums1"} == {"same"}, (
        "what the learner ran, not the file"
    )
    of_code = next(row for row in rows if row["item"] == "crosses")
    assert (of_code["standing"], "not asked for" in of_code["remark"]) == ("ungraded", True)
    refused = [row["remark"] for row in rows if row["standing"] == "refused"]
    assert [why.endswith("start again elsewhere") for why in refused] == [True, False]
    assert "it is a link" in refused[1]
    again = oneblock_here("lab", "grade", str(folder(learner)), "--run-code", cwd=learner)
    assert again.returncode == 0


def test_an_artifact_of_another_toolchain_is_told_apart(learner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truth moves with a toolchain, and the lab does not: who grades sees that answers are of another."""
    monkeypatch.setattr(attempt, "versions", lambda: {"jax": "0.1"})
    done(learner)
    monkeypatch.setattr(grading, "versions", lambda: {"jax": "0.2"})
    check = learner.parent / "course" / "01_sums1" / "check.py"
    check.write_text(CHECK.replace('shape["a"] + shape["b"]', "0"))
    monkeypatch.delitem(sys.modules, next(name for name in sys.modules if name.endswith("_01_sums1_check")))
    rows = list(csv.DictReader(io.StringIO(oneblock_here("lab", "grade", "labs-of-mine", cwd=learner).stdout)))
    assert {row["passed"] for row in rows} == {"no"}
    assert all(row["artifact"].startswith("other: ") and "jax 0.1, here 0.2" in row["artifact"] for row in rows)


def written(learner: Path, *words: str) -> str:
    """The page of a report."""
    page = learner / "page.html"
    assert lab(learner, "report", *words, "--to", str(page))[0] == 0
    return page.read_text()


def test_a_report_sets_predictions_beside_what_was_observed_after_a_check(learner: Path) -> None:
    """Before it the truth is the learner's to find; the page asks the network for nothing."""
    both = sum(sums(learner).values())
    ran(learner, guess=str(10 * both), total=str(both), why='"added"')
    before = written(learner)
    assert "Nothing was checked yet" in before
    assert f"<td>{both}</td>" not in before
    lab(learner, "check", "1")
    page = written(learner)
    assert f"<td>{10 * both}</td><td>{both}</td>" in page
    (spec,) = json.loads(page.partition('id="plots">')[2].partition("</script>")[0])
    assert spec["layer"][0]["data"]["values"] == [
        {"learner": "labs-of-mine", "predicted": 10 * both, "observed": both, "was": "predicted, wrong"}
    ]
    assert spec["layer"][0]["encoding"]["x"]["title"] == "guess, count"
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"http", page)


def test_a_report_of_a_class_names_hints_that_were_met_and_who_holds_on(learner: Path) -> None:
    """A folder for each learner; a name is text, not markup; a state that was edited is left out, by name."""
    product = str(sums(learner)["a"] * sums(learner)["b"])
    done(learner)
    for total in (product, str(sum(sums(learner).values()))):
        fill(learner, total=total)
        lab(learner, "check", "1")
    room = learner / "room"
    for name in ("ada", "<b>bob", "eve"):
        shutil.copytree(learner / "labs-of-mine", room / name)
    state = room / "eve" / "01_sums1" / "state.json"
    state.write_text(state.read_text().replace(f'"total": {product}', '"total": 1').replace('"seed": 3', '"seed": 4'))
    bob = room / "<b>bob"
    fill_form = (bob / "01_sums1" / "answers.toml").read_text()
    (bob / "01_sums1" / "answers.toml").write_text(re.sub(r"total = \d+", f"total = {product}", fill_form))
    assert lab(learner, "check", "1", "--in", str(bob))[0] == 1
    page = written(learner, *(str(room / name) for name in ("ada", "<b>bob", "eve")))
    assert "2 learners, 1 lab" in page
    assert "<b>bob" not in page
    row = page.partition('<tr><th scope="row">1 total</th>')[2].partition("</tr>")[0]
    assert f"{sums(learner)['a']} and {sums(learner)['b']} are added" in row
    assert "<td>2</td>" in row
    assert row.count("ada") == 0, "who thought again holds it no more"
    assert "&lt;b&gt;bob" in row
    assert "it was edited" in page.partition("left out")[2][:300]


def test_a_report_tells_of_an_artifact_that_is_not_what_its_run_made(learner: Path) -> None:
    done(learner)
    lab(learner, "check", "1")
    (folder(learner) / "artifact.json").write_text("{}")
    assert "not what the run made" in lab(learner, "report")[1]
