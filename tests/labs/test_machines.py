"""The labs of layout, coverage and capacity: their formulas against compilers, and what learners make told apart."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.lessons.attempt import verdicts
from oneblock.bench.lessons.item import Item, Standing, same
from oneblock.bench.lessons.lab import Lab, module, named
from tests.conftest import load


def made(lab: Lab) -> Item:
    (item,) = (one for one in lab.lesson.items if one.measure is not None)
    return item


def word(lab: Lab, text: str, folder: Path) -> object:
    script = folder / "lab.py"
    script.write_text(text)
    measure = made(lab).measure
    assert measure is not None
    return measure(script, lab.lesson.shape(0))


@pytest.mark.parametrize(("number", "right", "starter"), [("4", "tiles", "not_padded"), ("10", "near", "sum")])
def test_what_a_learner_makes_is_told_from_what_looks_like_it(
    number: str, right: str, starter: str, tmp_path: Path
) -> None:
    """The solution, the starter, and each wrong answer by the word of its misconception."""
    lab = named(number)
    assert word(lab, lab.solution(), tmp_path) == right
    assert word(lab, lab.starter("{}"), tmp_path) == starter
    for path in lab.wrong():
        item, _, idea = path.read_text().splitlines()[0].removeprefix("# ").partition(": ")
        if item == made(lab).name:
            assert word(lab, path.read_text(), tmp_path) == idea


def test_a_buffer_assignment_of_another_form_is_told_as_that(tmp_path: Path) -> None:
    lab = named("10")
    for body in ("[0]", "[-1 for _ in buffers]", "[0.5 for _ in buffers]"):
        assert word(lab, f"def place(buffers):\n    return {body}\n", tmp_path) == "differs"
    assert word(lab, "def place(buffers):\n    return [0 for _ in buffers]\n", tmp_path) == "overlaps"


def test_tiles_on_a_tpu_are_padded_as_the_formula_has_it() -> None:
    """Of what is asked beyond the run: XLA's own bytes, at sizes of several seeds."""
    load("xla_tpu", "tpu:v5e")
    lab = named("4")
    machines = module(lab.folder / "machines.py")
    (item,) = (one for one in lab.lesson.items if one.name == "other_kib")
    for seed in range(6):
        shape = lab.lesson.shape(seed)
        laid = machines._on_tpu(shape["R2"], shape["C2"], shape["dtype2"], shape["chip"])
        assert same(laid["chosen"]["argument_bytes"] / 1024, item.truth(shape, {}), item.within)


def test_operators_are_the_same_in_both_frameworks() -> None:
    """A name that is in one table and not in the other would be probed as a refusal."""
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    lab = named("9")
    tables = module(lab.folder / "operators.py")
    check = module(lab.folder / "check.py")
    assert {*tables.in_jax()} == {*tables.in_torch()} == {*check.COMMON, *check.RARE}


def test_weights_split_over_chips_are_told_by_what_is_exchanged(tmp_path: Path) -> None:
    """By XLA's own program for eight chips: the solution has one all-reduce, each wrong split its own word."""
    load("xla_tpu", "tpu:v5e")
    lab = named("14")
    mesh = module(lab.folder / "mesh.py")
    target = Target.parse("tpu:v5e:2x4")
    for path in (lab.folder / "lab.py", *lab.wrong()):
        text = lab.solution() if path.name == "lab.py" else path.read_text()
        item, _, idea = text.splitlines()[0].removeprefix("# ").partition(": ")
        if path.name != "lab.py" and item != "split":
            continue
        script = tmp_path / path.name
        script.write_text(text)
        up, down = runpy.run_path(str(script))["split"]()
        assert mesh.judged(up, down, target, 16, 512, 2048) == ("once" if path.name == "lab.py" else idea)


def test_a_program_that_the_compiler_did_not_simulate_costs_one_item_and_one_without_bundles_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told; what needs no compiler is graded still."""
    lab = named("14")
    block = module(lab.folder / "block.py")
    kernel = {"name": "fusion", "steps": ["mlp"], "bundles": 9, "slots": {"VALU": 0.9, "MXU": 0.1}}
    estimates = [{"name": "xla", "seconds": 2.0}, {"name": "llo", "seconds": None, "how": "the simulation ended it"}]
    sums = {"kind": "all-reduce", "dtype": "bf16", "bytes": 4, "step": "mlp"}
    facts = {"hbm_bytes": 1, "estimates": estimates, "collectives": [sums], "traffic": {"transfers": []}}
    record = {"artifacts": [{"dialect": text, "sha256": "0"} for text in block.TEXTS], "reason": None, "hint": None}
    for calls, absent in (([kernel], {"llo"}), ([], {"llo", "xla_tpu"})):
        monkeypatch.setattr(block, "ask", lambda *_, of=calls, **__: (record | {"facts": facts | {"calls": of}}, ""))
        shape = lab.lesson.shape(0)
        made = block.run(shape, tmp_path)
        assert {*made["absent"]} == absent
        found = verdicts(lab, {}, shape, made, None)
        assert {one.item for one in found if one.standing is Standing.UNGRADED} >= {"bound"}
        assert (Standing.UNGRADED in [one.standing for one in found if one.item == "unit"]) == ("xla_tpu" in absent)
        assert next(one.standing for one in found if one.item == "ring_kib") is Standing.UNANSWERED
