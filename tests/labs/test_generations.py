"""Lab 5's rules by Triton's compilers, and what a learner is told of a kernel that fails."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.item import Item
from oneblock.bench.lessons.lab import Lab, module, named
from tests.conftest import load


@pytest.fixture
def lab() -> Lab:
    load("triton_kernels", "cuda:sm_90")
    return named("5")


def item(lab: Lab, name: str) -> Item:
    return next(one for one in lab.lesson.items if one.name == name)


def with_product(lab: Lab) -> tuple[ModuleType, object]:
    return module(lab.folder / "generations.py"), module(lab.folder / "product.py").product


@pytest.mark.parametrize("seed", range(0, 100, 25))
def test_as_many_stages_fit_on_hopper_as_the_formula_has_and_one_more_is_refused(lab: Lab, seed: int) -> None:
    from oneblock.compilers.triton.lowering import CannotBuild

    shape = lab.lesson.shape(seed)
    made, product = with_product(lab)
    tile = {name: shape[f"{name}2"] for name in ("BM", "BN", "BK")} | {"num_warps": shape["warps"]}
    stages = item(lab, "most_stages").truth(shape, {})
    made.built(product, "cuda:sm_90", made.SIZES, tile | {"num_stages": stages})
    with pytest.raises(CannotBuild, match="shared memory"):
        made.built(product, "cuda:sm_90", made.SIZES, tile | {"num_stages": int(stages) + 1})


@pytest.mark.parametrize("small", [16, 32])
def test_hopper_multiplies_small_tiles_by_ampere_s_instruction(lab: Lab, small: int) -> None:
    shape = next(one for one in lab.lesson.shapes if one["small"] == small)
    made, product = with_product(lab)
    kernel = made.built(product, "cuda:sm_90", made.SIZES, made.tile_of(shape) | {"BM": small})
    assert made.told(kernel)["unit"] == item(lab, "unit_small").truth(shape, {})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"BM": 128', '"BM": 96', r"lab.py, line \d+: ValueError: arange's range must be a power of 2; in program"),
        ("tl.dot(", "tl.dott(", r"lab.py, line \d+: AttributeError: .* Did you mean: 'dot'\?"),
        ("range(0, K, BK):", "range(0, K, BK)", r"lab.py, line \d+: SyntaxError: expected ':'"),
        ('"num_warps": 4,', '"num_warps": 4, "maxnreg": 128,', "CONFIG: expected BM, BN, BK, num_warps, num_stages"),
        ('"num_stages": 3', '"num_stages": 20', "out of resource: shared memory"),
    ],
)
def test_a_kernel_that_fails_is_told_why_and_where(lab: Lab, tmp_path: Path, old: str, new: str, says: str) -> None:
    text = lab.solution()
    assert text.count(old)
    script = tmp_path / "lab.py"
    head, _, tail = text.rpartition(old)
    script.write_text(head + new + tail)
    measure = item(lab, "product_relu").measure
    assert measure is not None
    with pytest.raises(Refused, match=says):
        measure(script, lab.lesson.shape(0))


def test_rows_of_one_size_alone_are_not_enough(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mask for this seed's M, written as a number, fails at another; which access fails is told."""
    shape = lab.lesson.shape(0)
    script = tmp_path / "lab.py"
    script.write_text(lab.solution().replace("(rows < M)", f"(rows < {shape['M']})"))
    measure = item(lab, "product_relu").measure
    assert measure is not None
    assert measure(script, shape) == "differs"
    script.write_text(lab.solution().replace("mask=inside, other=0.0", ""))
    assert measure(script, shape) == "outside"
    assert "product_relu: " in capsys.readouterr().err
    script.write_text(lab.solution())
    assert measure(script, shape) == "good"
    assert "sm_80: " in capsys.readouterr().err
