"""An answer that is not finite: the dtype's fault where eager NumPy overflows, too, and else the backend's."""

from __future__ import annotations

import json
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker import judge_job
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.judge_job import JudgeJob, Judgement
from oneblock.bench.worker.trial import FIRST
from oneblock.workloads._workload import Case
from oneblock.workloads.answers.arrays import Named, make_inputs, make_weights
from oneblock.workloads.answers.overflow import overflow
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.answers.verdict import allow, check
from oneblock.workloads.models import preset
from oneblock.workloads.ops.dtypes import dtype_of
from oneblock.workloads.ops.numpy_ops import NumpyOps

BLOCK = workloads.load("block")
CASE = Case("block", preset("tiny"), "prefill", 1, 16, 16)


def weights(dtype: str, **scales: float) -> Named:
    """A tiny block's, some of them so many times as large."""
    made = make_weights(BLOCK, CASE, dtype, 0)
    return made | {
        name: (made[name].astype(np.float32) * scale).astype(dtype_of(dtype)) for name, scale in scales.items()
    }


def arrays(dtype: str, **scales: float) -> Named:
    return weights(dtype, **scales) | make_inputs(BLOCK, CASE, dtype, 1)


@pytest.mark.parametrize(
    ("scales", "step", "operation"),
    [
        ({"gate_weight": 200.0, "up_weight": 2000.0}, "mlp", "swiglu"),
        ({"q_weight": 40000.0}, "qkv", "linear"),
        ({"v_weight": 200.0, "proj_weight": 2000.0}, "proj", "linear"),
        ({"norm2_weight": 50000.0}, "norm2", "rms_norm"),
    ],
)
def test_the_first_step_that_leaves_the_range_is_named_with_a_dtype_that_would_do(
    scales: dict[str, float], step: str, operation: str
) -> None:
    found = overflow(BLOCK, CASE, arrays("float16", **scales), "float16")
    assert found is not None
    assert (found.step, found.operation, found.would_do) == (step, operation, "bfloat16")
    assert found.reaches > found.ends_at == 65504
    assert f"{operation} in {step} reaches" in found.reason
    assert "65504" in found.reason
    assert found.hint == "choose --dtype bfloat16"


def test_an_addition_between_operations_is_told_from_them() -> None:
    made = arrays("float16", proj_weight=1.0)
    made["x"] = np.full_like(made["x"], 40000.0)
    made["v_weight"] = np.full_like(made["v_weight"], 1 / made["v_weight"].shape[0])
    made["proj_weight"] = np.full_like(made["proj_weight"], 40000 / made["proj_weight"].shape[0])
    found = overflow(BLOCK, CASE, made, "float16")
    assert found is not None
    assert found.operation == "an addition after linear"
    assert found.step == "proj"


def test_what_the_dtype_holds_is_no_overflow_and_what_float64_does_not_hold_is_none_of_the_dtype() -> None:
    assert overflow(BLOCK, CASE, arrays("bfloat16", gate_weight=200.0, up_weight=2000.0), "bfloat16") is None
    assert overflow(BLOCK, CASE, arrays("float16"), "float16") is None
    made = arrays("float16")
    made["x"][0, 0, 0] = math.nan
    assert overflow(BLOCK, CASE, made, "float16") is None


def test_a_range_that_nothing_holds_has_another_hint() -> None:
    found = overflow(BLOCK, CASE, arrays("float32", gate_weight=1e20, up_weight=1e20), "float32")
    assert found is not None
    assert (found.would_do, found.hint) == (None, "scale the weights or the inputs")


def test_an_error_of_eager_numpy_that_is_no_number_allows_nothing() -> None:
    made = arrays("float16", gate_weight=200.0, up_weight=2000.0)
    exact = {name: x.astype(np.float64) for name, x in made.items()}
    with np.errstate(all="ignore"):
        eager = BLOCK.program(NumpyOps(), CASE, made)
    right = {"y": BLOCK.program(NumpyOps(), CASE, exact)["y"] / 1e6}  # so that the dtype holds it
    allowed = allow(CASE, right, eager, "float16")["y"]
    assert not allowed.eager_finite
    assert math.isfinite(allowed.yardstick_rms_err + allowed.yardstick_max_err)
    rounded = {"y": right["y"].astype(np.float16)}
    assert check(rounded, right, {"y": allowed}, "float16").passed
    cut = {"y": np.clip(right["y"], -0.5 * abs(right["y"]).max(), None).astype(np.float16)}
    wrong = check(cut, right, {"y": allowed}, "float16")
    assert not wrong.passed
    assert "eager NumPy overflows here" in wrong.why


@pytest.fixture(autouse=True)
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no parent that hears how far the job is."""
    monkeypatch.setattr(judge_job, "emit", lambda _: None)


def judged(tmp_path: Path, dtype: str, spoil: float, **scales: float) -> Outcome[Judgement]:
    """The verdict on eager NumPy's answer with one element spoilt, of scaled weights."""
    cell = Cell(CASE, dtype, "reference", "plain", "cpu")
    made = weights(dtype, **scales)
    with np.errstate(all="ignore"):
        answer = BLOCK.program(NumpyOps(), CASE, made | cell.input_arrays(BLOCK))["y"]
        make_reference(BLOCK, CASE, dtype, made, cell.input_seed, 2).save(tmp_path / "reference.npz")
    answer = answer.copy()
    answer[0, 0, 0] = spoil
    head = json.dumps({f"{FIRST}/y": (answer.dtype.name, answer.shape)})
    np.savez(tmp_path / "answers.npz", head=np.array(head), **{f"{FIRST}/y": answer.reshape(-1).view(np.uint8)})
    return JudgeJob(cell, str(tmp_path / "reference.npz"), str(tmp_path / "answers.npz"), (), 0).do()


def test_a_backend_that_is_not_finite_where_eager_numpy_is_has_failed(tmp_path: Path) -> None:
    for spoil in (math.nan, math.inf):
        assert judged(tmp_path, "float16", spoil).status is Status.FAILED


def test_where_eager_numpy_overflows_too_the_status_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scales = {"gate_weight": 200.0, "up_weight": 2000.0}
    monkeypatch.setattr(Cell, "weight_arrays", lambda cell, _: weights(cell.dtype, **scales))
    outcome = judged(tmp_path, "float16", math.nan, **scales)
    assert outcome.status is Status.OVERFLOW
    assert "swiglu in mlp reaches" in str(outcome.reason)
    assert outcome.hint == "choose --dtype bfloat16"


def test_rounding_to_eight_bits_is_refused_however_much_eager_numpy_errs() -> None:
    right = {"y": np.random.default_rng(0).standard_normal((1, 16, 64))}
    eager = {"y": (right["y"] * 1.02).astype(ml_dtypes.bfloat16)}  # as a long attention's may be
    allowances = allow(CASE, right, eager, "bfloat16")
    eight = {"y": right["y"].astype(ml_dtypes.float8_e4m3fn).astype(ml_dtypes.bfloat16)}
    assert not check(eight, right, allowances, "bfloat16").passed
    assert check(eager, right, allowances, "bfloat16").passed, "eager NumPy itself"
