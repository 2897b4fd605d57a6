"""Workloads: their numbers, their costs, and what cannot be one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import PRESETS, Config, preset
from oneblock.workloads.models._rope import frequencies
from oneblock.workloads.ops.definitions import OPS, STEPS, Ops
from oneblock.workloads.ops.dtypes import DTYPES, spacing, unit_roundoff
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import ALL, OTHERS, RAGGED, TINY, case, name


def arrays(c: Case, dtype: str = "float32", seed: int = 0) -> dict[str, np.ndarray]:
    w = workloads.load(c.workload)
    return make_weights(w, c, dtype, seed) | make_inputs(w, c, dtype, seed + 1)


def test_the_presets_have_the_parameters_of_their_models() -> None:
    # Parameters of one layer as counted in the published checkpoints: 124M GPT-2 has 7,087,872, Llama 3.2 1B 60,821,504
    # and Llama 3.1 8B 218,112,000.
    for preset_name, count in (("gpt2", 7_087_872), ("llama-1b", 60_821_504), ("llama-8b", 218_112_000)):
        specs = workloads.load("block").specs(case(config=preset(preset_name)))
        tables = ("rope_cos", "rope_sin")
        assert sum(math.prod(s.shape) for n, s in specs.items() if not s.is_input and n not in tables) == count


def test_seeds_give_the_same_numbers_and_other_seeds_others() -> None:
    c = case(phase=Phase.DECODE)
    first, again, other = arrays(c), arrays(c), arrays(c, seed=5)
    assert all(np.array_equal(first[n], again[n]) for n in first)
    drawn = [n for n in first if not n.startswith("rope")]
    assert not any(np.array_equal(first[n], other[n]) for n in drawn)


def test_the_inputs_seed_leaves_the_weights_alone() -> None:
    w, c = workloads.load("block"), case()
    assert make_inputs(w, c, "float32", 1).keys().isdisjoint(make_weights(w, c, "float32", 0))
    assert not np.array_equal(make_inputs(w, c, "float32", 1)["x"], make_inputs(w, c, "float32", 2)["x"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_narrow_dtype_rounds_the_same_numbers(dtype: str) -> None:
    wide, narrow = arrays(case()), arrays(case(), dtype)
    for n in wide:
        np.testing.assert_array_equal(narrow[n], wide[n].astype(DTYPES[dtype])) if not n.startswith("rope") else None
        assert narrow[n].dtype == DTYPES[dtype]


class Watching(NumpyOps):
    """Notes the size of what each step's operations give."""

    def __init__(self) -> None:
        super().__init__()
        self.rms: dict[str, float] = {}
        self.used: set[str] = set()

    def __getattribute__(self, attribute: str) -> object:
        value = super().__getattribute__(attribute)
        if attribute not in OPS:
            return value

        def watched(*args: object, **kwargs: object) -> object:
            out = value(*args, **kwargs)
            self.used.add(attribute)
            self.rms[f"{attribute}{len(self.rms)}"] = float(np.sqrt(np.mean(out.astype(np.float64) ** 2)))
            return out

        return watched


@pytest.mark.parametrize(
    "config", [PRESETS["tiny"], PRESETS["gpt2"], PRESETS["qwen2-0.5b"], PRESETS["llama-1b"]], ids=lambda c: c.name
)
@pytest.mark.parametrize("phase", Phase)
def test_activations_neither_vanish_nor_explode(config: Config, phase: Phase) -> None:
    c = case(config=config, phase=phase, n=64)
    ops = Watching()
    y = workloads.load("block").program(ops, c, arrays(c))["y"]
    assert 0.5 < float(np.sqrt(np.mean(y**2))) < 3
    assert all(0.05 < rms < 5 for rms in ops.rms.values()), ops.rms
    assert np.abs(y).max() < 65504 / 100  # far from what float16 holds


def test_the_cases_use_all_operations() -> None:
    used = set()
    for c in (*ALL, *OTHERS):
        ops = Watching()
        workloads.load(c.workload).program(ops, c, arrays(c))
        used |= ops.used
    assert used == set(OPS)


class Stepping(NumpyOps):
    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def step(self, name: str):  # type: ignore[no-untyped-def]
        self.steps.append(name)
        return super().step(name)


@pytest.mark.parametrize("c", [*ALL, *OTHERS], ids=name)
def test_every_step_of_a_program_has_its_cost(c: Case) -> None:
    ops, w = Stepping(), workloads.load(c.workload)
    w.program(ops, c, arrays(c))
    assert list(dict.fromkeys(ops.steps)) == [cost.step for cost in w.costs(c, 4)]
    assert set(ops.steps) <= set(STEPS)
    assert all(cost.flops > 0 and cost.bytes > 0 for cost in w.costs(c, 4))


@pytest.mark.parametrize("c", [*ALL, case(config=RAGGED, B=2), case(config=RAGGED, phase=Phase.DECODE, B=3)], ids=name)
def test_projection_flops_are_those_of_the_matrix_products_done(c: Case) -> None:
    """Counted from the shapes that pass through, not from the formula; the mask's half of the scores taken out."""
    counted = {"linear": 0, "pairs": 0}

    class Counting(NumpyOps):
        def linear(self, x, weight, bias=None):  # type: ignore[no-untyped-def]
            out = super().linear(x, weight, bias)
            counted["linear"] += 2 * out.size * x.shape[-1] + (out.size if bias is not None else 0)
            return out

        def attention(self, q, k, v, scores):  # type: ignore[no-untyped-def]
            (B, T, N, D), S = q.shape, k.shape[1]
            window = S if scores.window is None else scores.window
            counted["pairs"] += B * N * sum(min(window, S - T + t + 1) for t in range(T)) * 4 * D
            return super().attention(q, k, v, scores)

    w = workloads.load(c.workload)
    w.program(Counting(), c, arrays(c))
    total = sum(cost.flops for cost in w.costs(c, 4))
    products = counted["linear"] + counted["pairs"]
    small = total - products  # norms, softmax, rotation, activation, residuals: a few operations an element
    widest = max(c.config.width, c.config.ffn_width, c.config.heads * c.config.head_width, c.config.heads * c.S)
    assert 0 <= small <= 60 * c.B * c.T * widest


def test_decode_continues_prefill() -> None:
    """The last token of a prefill of n is a decode against the keys and values of the first n - 1."""
    n, w = 12, workloads.load("block")
    prefill, decode = case(n=n), case(phase=Phase.DECODE, n=n)
    a = {k: v.astype(np.float64) for k, v in arrays(prefill).items()}
    seen: dict[str, np.ndarray] = {}

    class Keeping(NumpyOps):
        def attention(self, q, k, v, scores):  # type: ignore[no-untyped-def]
            seen.update(k=k, v=v)
            return super().attention(q, k, v, scores)

    whole = w.program(Keeping(), prefill, a)["y"]
    k, v = seen["k"].swapaxes(1, 2), seen["v"].swapaxes(1, 2)
    stale = np.full_like(k[:, :, -1:], 1e6)  # the last slot's old content must not be seen
    last = {x: a[x] for x in a if not x.startswith("rope")} | make_weights(w, decode, "float32", 0)
    last = {x: y.astype(np.float64) for x, y in last.items()} | {
        "x": a["x"][:, -1:],
        "k_cache": np.concatenate([k[:, :, :-1], stale], axis=2),
        "v_cache": np.concatenate([v[:, :, :-1], stale], axis=2),
        "rope_cos": a["rope_cos"][-1:],
        "rope_sin": a["rope_sin"][-1:],
    }
    out = w.program(NumpyOps(), decode, last)
    np.testing.assert_allclose(out["y"], whole[:, -1:], rtol=1e-12)
    np.testing.assert_allclose(out["k_cache"], k, rtol=1e-12)
    np.testing.assert_allclose(out["v_cache"], v, rtol=1e-12)


def test_llama3_scaling_stretches_long_waves_only() -> None:
    scaled, plain = frequencies(preset("llama-1b")), frequencies(replace(preset("llama-1b"), rope_scaling=None))
    assert scaled[0] == plain[0] == 1.0
    assert scaled[-1] == pytest.approx(plain[-1] / 32)
    assert (np.diff(scaled) < 0).all()


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"T": 0, "S": 0}, "T: expected at least 1, got 0"),
        ({"B": -1}, "B: expected at least 1, got -1"),
        ({"S": 5}, "expected S=T"),
        ({"phase": Phase.DECODE, "S": 8, "T": 2}, "expected T=1"),
    ],
)
def test_impossible_sizes_are_refused(axes: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(case(n=4), **axes)  # type: ignore[arg-type]


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"heads=4 is not a multiple of kv_heads=3; kv_heads may be any of \[1, 2, 4\]"
    ):
        replace(TINY, kv_heads=3)
    with pytest.raises(ValueError, match="must be even"):
        replace(TINY, head_width=7)


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean 'llama-1b'"):
        preset("llama1b")
    with pytest.raises(LookupError, match="did you mean 'block'"):
        workloads.load("blok")


def test_spacing_is_one_ulp() -> None:
    for dtype, numpy_dtype in (("float32", np.float32), ("float16", np.float16)):
        x = np.array([1.0, 1.5, 2.0, 1000.0, 3e-4, -7.0])
        np.testing.assert_array_equal(spacing(dtype, x), np.spacing(np.abs(x).astype(numpy_dtype)).astype(float))
    assert unit_roundoff("bfloat16") == 2.0**-8


def test_the_plain_operations_are_all_there() -> None:
    assert all(callable(getattr(Ops, op)) for op in OPS)
