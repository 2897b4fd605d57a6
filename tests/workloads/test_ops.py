"""The plain operations against plain loops, written without looking at them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oneblock.workloads.ops.definitions import Scores
from oneblock.workloads.ops.numpy_ops import NumpyOps

RNG = np.random.default_rng(7)
OPS = NumpyOps()
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def test_linear_is_a_sum_over_products() -> None:
    x, w, b = normal(2, 3, 5), normal(5, 4), normal(4)
    expected = np.empty((2, 3, 4))
    for i, j, o in np.ndindex(2, 3, 4):
        expected[i, j, o] = sum(x[i, j, k] * w[k, o] for k in range(5)) + b[o]
    np.testing.assert_allclose(OPS.linear(x, w, b), expected, **CLOSE)
    np.testing.assert_allclose(OPS.linear(x, w), expected - b, **CLOSE)


def test_rms_norm_has_no_mean_subtracted() -> None:
    x, w = normal(2, 3, 6) + 5.0, normal(6)
    for i, j in np.ndindex(2, 3):
        rms = math.sqrt(sum(v * v for v in x[i, j]) / 6 + 1e-5)
        np.testing.assert_allclose(
            OPS.rms_norm(x, w, 1e-5)[i, j], [v / rms * g for v, g in zip(x[i, j], w, strict=True)], **CLOSE
        )


def test_layer_norm_has_zero_mean_and_unit_variance_before_its_weights() -> None:
    x, w, b = normal(2, 3, 6) * 3 + 5.0, normal(6), normal(6)
    for i, j in np.ndindex(2, 3):
        mean = sum(x[i, j]) / 6
        deviation = math.sqrt(sum((v - mean) ** 2 for v in x[i, j]) / 6 + 1e-5)
        expected = [(v - mean) / deviation * g + c for v, g, c in zip(x[i, j], w, b, strict=True)]
        np.testing.assert_allclose(OPS.layer_norm(x, w, b, 1e-5)[i, j], expected, **CLOSE)


def test_rope_turns_each_pair_of_halves_as_a_complex_number() -> None:
    x, angle = normal(2, 5, 3, 8), normal(5, 4)
    turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angle)[None, :, None, :]
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    np.testing.assert_allclose(OPS.rope(x, np.cos(angle), np.sin(angle)), expected, **CLOSE)


@pytest.mark.parametrize(
    "how", [Scores(5**-0.5), Scores(0.7), Scores(0.4, window=3), Scores(0.9, None, 2.0), Scores(1.0, 2, 1.0)]
)
@pytest.mark.parametrize(("T", "S", "N", "K"), [(7, 7, 4, 2), (1, 9, 4, 1), (3, 8, 2, 2), (1, 1, 6, 3)])
def test_attention_one_query_and_one_head_at_a_time(T: int, S: int, N: int, K: int, how: Scores) -> None:
    B, D = 2, 5
    q, k, v = normal(B, T, N, D), normal(B, S, K, D), normal(B, S, K, D)
    got = OPS.attention(q, k, v, how)
    for b, t, n in np.ndindex(B, T, N):
        last = S - T + t + 1
        seen = range(0 if how.window is None or T == 1 else max(0, last - how.window), last)
        head = n // (N // K)
        scores = [sum(q[b, t, n, d] * k[b, s, head, d] for d in range(D)) * how.scale for s in seen]
        if how.soft_cap is not None:
            scores = [how.soft_cap * math.tanh(score / how.soft_cap) for score in scores]
        weights = [math.exp(score) for score in scores]
        expected = sum(w * v[b, s, head] for w, s in zip(weights, seen, strict=True)) / sum(weights)
        np.testing.assert_allclose(got[b, t, n], expected, rtol=1e-10, atol=1e-10)


def test_gates_and_gelu_one_element_at_a_time() -> None:
    gate, up = normal(3, 9) * 4, normal(3, 9)
    gate[0, 0] = -800.0  # its exponential overflows; the answer is zero
    for index in np.ndindex(3, 9):
        g = gate[index]
        sigmoid = 1 / (1 + math.exp(-g)) if g > -700 else 0.0
        assert OPS.swiglu(gate, up)[index] == pytest.approx(g * sigmoid * up[index], abs=1e-12)
        inner = math.sqrt(2 / math.pi) * (g + 0.044715 * g**3)
        assert OPS.gelu(gate)[index] == pytest.approx(0.5 * g * (1 + math.tanh(inner)), abs=1e-12)
        assert OPS.geglu(gate, up)[index] == pytest.approx(0.5 * g * (1 + math.tanh(inner)) * up[index], abs=1e-12)
        assert OPS.gelu_erf(gate)[index] == pytest.approx(0.5 * g * (1 + math.erf(g / math.sqrt(2))), abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_sixteen_bit_products_are_accumulated_in_float32(dtype: str) -> None:
    from oneblock.workloads.ops.dtypes import dtype_of

    ones = np.ones((1, 4096), dtype_of(dtype))  # a running sum in bfloat16 would stop at 256, in float16 at 2048
    assert float(OPS.matmul(ones, ones.T)[0, 0]) == 4096.0
