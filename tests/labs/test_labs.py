"""The labs: solvable at every seed, with answers of one's own, no answer stored, and wrong ones told apart."""

from __future__ import annotations

import re
import runpy
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.roofline import costs
from oneblock.bench.lessons.attempt import passed, verdicts
from oneblock.bench.lessons.item import Artifact, Item, Shape, Standing, grade, same
from oneblock.bench.lessons.lab import LABS, Lab, cells, labs, module, named, tagged
from oneblock.bench.lessons.proof import by_part
from oneblock.compilers.hlo.parser import arrays, parse
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import PRESETS
from tests.conftest import load

SEEDS = 100


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_lab_is_whole(lab: Lab) -> None:
    """Four misconceptions at the least, each with a hint, some caught by a wrong answer that is kept."""
    ideas = [(item.name, one) for item in lab.lesson.items for one in item.misconceptions]
    named_first = {path.read_text().splitlines()[0].removeprefix("# ") for path in lab.wrong()}
    assert len(named_first) == len(lab.wrong()) >= 4
    assert named_first <= {f"{name}: {one.name}" for name, one in ideas}
    assert len({one.hint for _, one in ideas}) >= 4
    assert (lab.folder / "hardware.md").read_text().startswith("# ")
    shape = lab.lesson.shape(0)
    for item in lab.lesson.items:
        assert (item.question + item.hint + "".join(item.choices.values())).format(**shape)
        assert all(one.hint.format(**shape) for one in item.misconceptions)


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)
def test_a_starter_is_written_without_solutions(lab: Lab) -> None:
    starter = lab.starter("{}")
    cut = [cell for cell in cells(lab.source()) if "solution" in tagged(cell)]
    assert cut
    assert all(cell not in starter for cell in cut)
    assert "def solve" not in starter
    compile(starter, lab.name, "exec")


@cache
def with_costs(preset: str, T: int, S: int) -> Artifact:
    """What a run makes without a compiler."""
    of = {
        str(phase): costs(Case("block", PRESETS[preset], phase, 1, *sizes), "bfloat16")
        for phase, sizes in ((Phase.PREFILL, (T, T)), (Phase.DECODE, (1, S)))
    }
    return {"costs": {name: {"flops": c.flops, "compulsory_bytes": c.compulsory_bytes} for name, c in of.items()}}


def light_items(lab: Lab) -> list[Item]:
    return [item for item in lab.lesson.items if item.needs is None and item.measure is None]


@pytest.mark.parametrize("lab", [named("1"), named("3"), named("6"), named("8"), named("14")], ids=lambda lab: lab.name)
def test_what_needs_no_compiler_is_solvable_at_every_seed_with_answers_of_ones_own(lab: Lab) -> None:
    """By formulas of the text alone; those of the ridge against costs that are counted from the program's arrays."""
    told: set[tuple[str, ...]] = set()
    for seed in range(SEEDS):
        shape = lab.lesson.shape(seed)
        artifact = with_costs(shape["preset"], shape["T"], shape["S"]) if "preset" in shape else {}
        solved = lab.solve(shape, artifact)
        for item in light_items(lab):
            verdict = grade(item, solved[item.name], shape, artifact)
            assert verdict.standing is Standing.RIGHT, (seed, item.name, verdict)
            caught(item, shape, artifact)
        told.add(tuple(str(solved[item.name]) for item in light_items(lab)))
    assert len(told) >= 0.95 * min(SEEDS, len(lab.lesson.shapes))


def caught(item: Item, shape: Shape, artifact: Artifact) -> None:
    """Each misconception of an item is caught as itself, unless it happens to be right at this shape."""
    truth = item.truth(shape, artifact)
    for one in item.misconceptions:
        answer = one.answer(shape, artifact)
        if not same(answer, truth, item.within):
            assert grade(item, answer, shape, artifact).misconception == one.name


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Shape, dict[str, Any]]:
    """The fusions of one shape, by both of XLA's compilers, which must be here where they are required."""
    load("jax_xla")
    load("xla_tpu", "tpu:v5e")
    lab = named("2")
    shape = next(one for one in lab.lesson.shapes if one["norm"] == "layer" and one["chip"] == "v5e")
    return lab, shape, dict(lab.lesson.run(shape, tmp_path_factory.mktemp("fused")))


def test_fusions_are_read_off_both_compilers(fused: tuple[Lab, Shape, dict[str, Any]]) -> None:
    """What a barrier and a second result add differs between them; bytes are by formula."""
    lab, shape, artifact = fused
    solved = lab.solve(shape, artifact)
    for item in lab.lesson.items:
        if item.measure is None:
            assert grade(item, solved[item.name], shape, artifact).standing is Standing.RIGHT, item.name
            caught(item, shape, artifact)
    assert solved["barrier_cpu"] != solved["barrier_tpu"]
    assert solved["chain_cpu"] == 5, "as the hint counts: two sums, x less its mean, the root, and what reads x again"


def test_what_layer_norm_writes_is_read_by_its_second_sum_alone_as_the_text_says(tmp_path: Path) -> None:
    load("jax_xla")
    lab = named("2")
    script = tmp_path / "lab.py"
    script.write_text(lab.starter("{}"))
    _, text = module(lab.folder / "variants.py").told(runpy.run_path(str(script))["layer_norm"], 128, 256)
    entry = parse(text).entry.instructions
    (kept,) = (one for one in entry if one.opcode == "fusion" and not one.is_root and arrays(one.shape)[0].dims[1:])
    (reader,) = (one for one in entry if kept.name in one.operands)
    assert "__ynn_fusion" in reader.attributes["backend_config"]


def test_without_its_compiler_an_item_is_ungraded_whatever_was_answered(
    fused: tuple[Lab, Shape, dict[str, Any]], tmp_path: Path
) -> None:
    lab, shape, artifact = fused
    bare = {"absent": {"jax_xla": "jax is not installed", "xla_tpu": "libtpu is not installed"}}
    given = by_part(lab.lesson.items, lab.solve(shape, artifact))
    found = verdicts(lab, given, shape, bare, tmp_path / "lab.py")
    assert {one.item for one in found if one.standing is Standing.RIGHT} == {"saved_mb"}
    assert all("is not installed" in str(one.hint) for one in found if one.standing is Standing.UNGRADED)
    nothing = verdicts(lab, {}, shape, bare, None)
    assert not passed(nothing)


def test_passes_over_memory_are_those_that_xla_counts() -> None:
    """Five kernels, an operation each, against one: by the bytes that XLA states of each program."""
    jax = pytest.importorskip("jax")
    lab = named("2")
    shape = lab.lesson.shape(0)
    x, w = (jax.ShapeDtypeStruct(of, "float32") for of in ((shape["T2"], shape["C2"]), (shape["C2"],)))
    jnp = jax.numpy

    def moved(function: Any, *of: Any) -> float:
        return float(jax.jit(function).lower(*of).compile().cost_analysis()["bytes accessed"])

    kernels = [(jnp.multiply, (x, w)), (jnp.add, (x, x)), (lambda a: jnp.maximum(a, 0.0), (x,)), (jnp.tanh, (x,)),
               (jnp.multiply, (x, x))]  # fmt: skip
    apart = sum(moved(function, *of) for function, of in kernels)
    once = moved(lambda x, w: jnp.maximum(x * w + x, 0.0) * jnp.tanh(x), x, w)
    (item,) = (one for one in lab.lesson.items if one.name == "saved_mb")
    assert same(item.truth(shape, {}), (apart - once) / 1e6, item.within)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Shape, dict[str, Any]]:
    """The smallest shape of the NKI ladder, run once."""
    lab = named("13")
    shape = min(lab.lesson.shapes, key=lambda one: one["M"] * one["K"] * one["N"])
    return lab, shape, dict(lab.lesson.run(shape, tmp_path_factory.mktemp("ladder")))


def test_the_ladder_counts_what_loops_say(ladder: tuple[Lab, Shape, dict[str, Any]]) -> None:
    """The solution counts loops by hand; the truth is the interpreter's, which counts each DMA."""
    lab, shape, artifact = ladder
    solved = lab.solve(shape, artifact)
    for item in light_items(lab):
        verdict = grade(item, solved[item.name], shape, artifact)
        assert verdict.standing is Standing.RIGHT, (item.name, verdict)
        caught(item, shape, artifact)


def test_a_kernel_that_reads_an_operand_again_is_told_which(
    ladder: tuple[Lab, Shape, dict[str, Any]], tmp_path: Path
) -> None:
    """A learner's kernel is counted by the interpreter; the right one moves each matrix once."""
    lab, shape, artifact = ladder
    (item,) = (one for one in lab.lesson.items if one.measure is not None)
    assert item.measure is not None
    script = tmp_path / "lab.py"
    script.write_text(lab.solution())
    assert grade(item, item.measure(script, shape), shape, artifact).standing is Standing.RIGHT
    wrong = lab.folder / "wrong" / "rhs_for_every_row.py"
    script.write_text(wrong.read_text())
    assert grade(item, item.measure(script, shape), shape, artifact).misconception == "rhs_again"


@pytest.mark.parametrize("lab", [named("1"), named("3"), named("6"), named("8"), named("14")], ids=lambda lab: lab.name)
def test_no_answer_is_stored(lab: Lab) -> None:
    """Of ten seeds no value of five significant digits or more stands in a file of the labs."""
    kept = {
        path: path.read_text(encoding="utf-8") for path in LABS.glob("[0-9]*/**/*") if path.suffix in (".py", ".md")
    }
    for seed in range(10):
        shape = lab.lesson.shape(seed)
        artifact = with_costs(shape["preset"], shape["T"], shape["S"]) if "preset" in shape else {}
        for item in light_items(lab):
            truth = item.truth(shape, artifact)
            digits = "" if isinstance(truth, str) else f"{truth:.10g}".rstrip("0")[:7]
            if len(re.sub(r"\D", "", digits)) >= 5:
                assert not [path for path, text in kept.items() if digits in text], (item.name, digits)


def test_every_shape_names_what_its_questions_need() -> None:
    for lab in labs():
        fill = [partial(str.format, item.question) for item in lab.lesson.items]
        assert all(question(**shape) for question in fill for shape in lab.lesson.shapes)
        assert len(lab.lesson.shapes) >= 80


def test_attention_by_blocks_is_told_from_what_looks_like_it(tmp_path: Path) -> None:
    """The right one in NumPy, one that overflows, and one that forgets to scale what was summed before."""
    lab = named("3")
    (item,) = (one for one in lab.lesson.items if one.measure is not None)
    assert item.measure is not None
    script = tmp_path / "lab.py"
    texts = {"blocks": lab.solution(), "whole": lab.starter("{}")}
    texts |= {word: (lab.folder / "wrong" / f"{file}.py").read_text() for word, file in
              (("overflows", "no_maximum"), ("differs", "each_block_alone"))}  # fmt: skip
    for word, text in texts.items():
        script.write_text(text)
        assert item.measure(script, lab.lesson.shape(0)) == word
    script.write_text("import sys; sys.exit(0)")
    with pytest.raises(Refused, match="ended without an answer"):
        item.measure(script, lab.lesson.shape(0))
    script.write_text("def attention(q, k, v):\n    raise OSError('no')\n")
    with pytest.raises(Refused, match="OSError: no"):
        item.measure(script, lab.lesson.shape(0))


def test_a_search_is_told_by_what_it_asked_for(tmp_path: Path) -> None:
    """One that prunes, and those that ask too much, ask for nothing, forget their seed, or trust in luck."""
    lab = named("6")
    (item,) = (one for one in lab.lesson.items if one.measure is not None)
    assert item.measure is not None
    script = tmp_path / "lab.py"
    wrong = [path for path in lab.wrong() if path.read_text().startswith("# search: ")]
    texts = {path.read_text().splitlines()[0].removeprefix("# search: "): path.read_text() for path in wrong}
    for word, text in {"good": lab.solution(), "not_again": lab.starter("{}"), **texts}.items():
        script.write_text(text)
        assert item.measure(script, lab.lesson.shape(0)) == word


def test_buckets_and_masks_are_told_by_answers_and_programs(tmp_path: Path) -> None:
    """What padding adds where answers are right and programs few; a word where they are not."""
    load("jax_xla")
    lab = named("8")
    (item,) = (one for one in lab.lesson.items if one.measure is not None)
    assert item.measure is not None
    shape = lab.lesson.shape(0)
    script = tmp_path / "lab.py"
    texts = {"differs": lab.starter("{}"), "many": (lab.folder / "wrong" / "a_bucket_for_each.py").read_text()}
    for word, text in texts.items():
        script.write_text(text)
        assert item.measure(script, shape) == word
    script.write_text(lab.solution())
    assert item.measure(script, shape) == item.truth(shape, {})
    script.write_text(lab.solution() + "\n\ndef buckets(lengths, most):\n    return [1]\n")
    with pytest.raises(Refused, match="no length for a request"):
        item.measure(script, shape)


def test_wrong_answers_of_one_name_are_each_their_labs() -> None:
    found = [path for lab in labs() for path in (lab.folder / "wrong").glob("weights_alone.py")]
    assert len(found) > 1
    assert len({module(path).__file__ for path in found}) == len(found)
