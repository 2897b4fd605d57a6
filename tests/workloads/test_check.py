"""The check: right answers pass, wrong ones do not, in every dtype; and a workload that lets one through is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers import reference as _reference
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import ReferenceAnswer, make_reference
from oneblock.workloads.answers.verdict import Allowance, allow, check
from oneblock.workloads.ops.dtypes import DTYPES, dtype_of
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import ALL, OTHERS, case, name

GENERIC = (
    "zeros",
    "constant",
    "one wrong element",
    "one NaN",
    "wrong scale",
    "float8-rounded",
    "copy of the input",
    "stale",
)
ATTENTION = ("mask off by one: own key missing", "RoPE halves swapped", "attention without its scale")
LATENT, EXPERTS = ("latents without their norm",), ("experts without their scale",)
PREFILL = ("mask forgotten", "mask off by one: a key of the future")


def reference(c: Case, dtype: str) -> ReferenceAnswer:
    w = workloads.load(c.workload)
    return make_reference(w, c, dtype, make_weights(w, c, dtype, 0), 1, 2)


def answer(c: Case, dtype: str, i: int = 0) -> dict[str, np.ndarray]:
    w = workloads.load(c.workload)
    return w.program(NumpyOps(), c, make_weights(w, c, dtype, 0) | make_inputs(w, c, dtype, 1 + i))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", [*ALL, *OTHERS], ids=name)
def test_every_wrong_answer_is_rejected_and_the_right_one_is_not(c: Case, dtype: str) -> None:
    g = reference(c, dtype)
    assert g.wrong_accepted == ()
    expected = list(GENERIC)
    if c.workload in ("block", "attention"):
        expected += [m for m in ATTENTION if c.config.rope_theta is not None or not m.startswith("RoPE")]
        expected += PREFILL if c.phase is Phase.PREFILL else ()
        expected += LATENT if c.config.latent is not None else ()
    expected += EXPERTS if c.config.expert_scale != 1.0 else ()
    for mistake in expected:
        assert any(tried.startswith(mistake) for tried in g.wrong_tried), f"{mistake} was never tried"
    verdict = g.check(answer(c, dtype))
    assert verdict.passed, verdict.why
    for one in verdict.outputs:  # the yardstick itself uses a third, and of what it has no part in less than half
        assert one.rms_err is not None
        assert one.max_err is not None
        assert one.rms_err <= one.allowance.yardstick_rms_err
        assert one.max_err <= one.allowance.yardstick_max_err
    assert verdict.budget_used is not None
    assert verdict.budget_used < 0.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_decodes_still_reject_a_mask_off_by_one(dtype: str) -> None:
    assert reference(case(phase=Phase.DECODE, n=2048), dtype).wrong_accepted == ()


def test_an_answer_to_another_input_is_rejected() -> None:
    assert not reference(case(), "float32").check(answer(case(), "float32", i=1)).passed
    assert reference(case(), "float32").check(answer(case(), "float32", i=1), i=1).passed


def test_a_sum_that_was_not_kept_in_float32_is_rejected() -> None:
    """The product of bfloat16 matrices accumulated in bfloat16: the commonest honest mistake of a kernel."""

    class Narrow(NumpyOps):
        def matmul(self, a, b):  # type: ignore[no-untyped-def]
            total = np.zeros((*a.shape[:-1], b.shape[-1]), a.dtype)
            for i in range(a.shape[-1]):
                total = total + a[..., i : i + 1] * b[..., i : i + 1, :]
            return total

    c = case("mlp")
    w = workloads.load("mlp")
    arrays = make_weights(w, c, "bfloat16", 0) | make_inputs(w, c, "bfloat16", 1)
    assert not reference(c, "bfloat16").check(w.program(Narrow(), c, arrays)).passed


def test_float32_that_was_computed_in_a_narrower_format_is_rejected() -> None:
    """TF32 keeps 10 bits of the mantissa: it is not float32."""

    class TF32(NumpyOps):
        def matmul(self, a, b):  # type: ignore[no-untyped-def]
            def cut(x):  # type: ignore[no-untyped-def]
                return (np.ascontiguousarray(x).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)

            return cut(a) @ cut(b)

    c, w = case(), workloads.load("block")
    arrays = make_weights(w, c, "float32", 0) | make_inputs(w, c, "float32", 1)
    assert not reference(c, "float32").check(w.program(TF32(), c, arrays)).passed


def test_a_workload_whose_check_accepts_a_wrong_answer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def generous(*args: object) -> dict[str, Allowance]:
        return {"y": Allowance(1e3, 1e3, 1e3)}

    monkeypatch.setattr(_reference, "allow", generous)
    let_pass = reference(case(), "float32").wrong_accepted
    assert "zeros (y)" in let_pass
    assert "mask forgotten" in let_pass
    assert "one NaN (y)" not in let_pass  # which no allowance excuses


@pytest.mark.parametrize("bound", ["yardstick_rms_err", "yardstick_max_err", "relative_l2_limit"])
def test_each_bound_rejects_on_its_own(bound: str) -> None:
    exact = {"y": np.linspace(-2, 2, 64).reshape(1, 8, 8)}
    got = {"y": (exact["y"] + 1e-3).astype(np.float32)}
    wide = Allowance(1.0, 1.0, 1.0)
    assert check(got, exact, {"y": wide}, "float32").passed
    assert not check(got, exact, {"y": replace(wide, **{bound: 1e-4})}, "float32").passed


def test_of_few_elements_a_lucky_yardstick_does_not_bound_the_largest_error() -> None:
    exact = {"y": np.linspace(1.0, 2.0, 64).reshape(1, 1, 64)}
    lucky = {"y": (exact["y"] + 1e-6).astype(np.float32)}  # its largest error is its root mean square, as by no chance
    allowances = allow(case(), exact, lucky, "float32")

    def with_one(error: float) -> dict[str, np.ndarray]:
        got = lucky["y"].copy()
        got[0, 0, 3] += np.float32(error)
        return {"y": got}

    assert check(with_one(4e-6), exact, allowances, "float32").passed, "3 sqrt(2 ln 64) = 8.7 times the yardstick's"
    (output,) = check(with_one(12e-6), exact, allowances, "float32").outputs
    assert "largest error" in str(output.why)


def test_a_failure_says_what_where_expected_and_got() -> None:
    g, wrong = reference(case(), "float32"), answer(case(), "float32")
    wrong["y"][0, 4, 7] += 1
    (output,) = g.check(wrong).outputs
    assert output.worst_index == (0, 4, 7)
    assert output.worst_got == pytest.approx(output.worst_expected + 1, rel=1e-5)  # type: ignore[operator]
    assert "worst at [0, 4, 7]" in str(output.why)
    wrong["y"][0, 1, 2] = math.inf
    assert "1 of 2112 elements are not finite; at [0, 1, 2]" in g.check(wrong).why


def test_another_shape_dtype_or_name_is_never_a_right_answer() -> None:
    g, right = reference(case(), "float32"), answer(case(), "float32")
    assert not g.check({"y": right["y"][:, :-1]}).passed
    assert not g.check({"y": right["y"].astype(np.float64)}).passed
    assert not g.check({"y": right["y"].astype(dtype_of("bfloat16"))}).passed
    with pytest.raises(ValueError, match="expected the outputs"):
        g.check({"z": right["y"]})


def test_a_reference_comes_back_as_it_was_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    g = reference(case(phase=Phase.DECODE), "bfloat16")
    g.save(tmp_path / "g.npz")
    back = ReferenceAnswer.read(tmp_path / "g.npz")
    assert back.wrong_tried == g.wrong_tried
    assert [a.allowances for a in back.answers] == [a.allowances for a in g.answers]
    assert all(
        np.array_equal(a.reference[n], b.reference[n])
        for a, b in zip(g.answers, back.answers, strict=True)
        for n in a.reference
    )
