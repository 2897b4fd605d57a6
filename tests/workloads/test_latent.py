"""Latent attention: what is absorbed is what is projected up, by formulas of its own; and it costs what it computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.places import halves_of_pairs
from oneblock.workloads.models import Config, Latent
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import TINY, TINY_DEEPSEEK, TINY_LITE, case

BOTH = pytest.mark.parametrize("config", [TINY_DEEPSEEK, TINY_LITE], ids=lambda c: c.name)


def weights(c: Case, seed: int = 0) -> dict[str, np.ndarray]:
    made = make_weights(workloads.load(c.workload), c, "float32", seed)
    return {name: array.astype(np.float64) for name, array in made.items()}


def inputs(c: Case) -> dict[str, np.ndarray]:
    made = make_inputs(workloads.load(c.workload), c, "float32", 1)
    return {name: array.astype(np.float64) for name, array in made.items()}


def by_the_paper(c: Case, a: dict[str, np.ndarray], m: Latent) -> tuple[np.ndarray, np.ndarray]:
    """x (1, T, C) -> (y (1, T, C), what a cache keeps (1, T, L + R)), head by head and token by token."""
    N, D, L, R, Dv = c.config.heads, c.config.head_width, m.width, m.rope_width, m.value_width
    h, cos, sin = a["x"][0], a["rope_cos"], a["rope_sin"]

    def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + m.norm_eps) * weight

    def turned(x: np.ndarray, t: int) -> np.ndarray:
        z = (x[: R // 2] + 1j * x[R // 2 :]) * (cos[t] + 1j * sin[t])
        return np.concatenate([z.real, z.imag])

    down = h @ a["kv_a_weight"]
    latent = norm(down[:, :L], a["kv_a_norm_weight"])
    keys = np.array([turned(down[t, L:], t) for t in range(c.T)])
    query = h if m.query_width is None else norm(h @ a["q_a_weight"], a["q_a_norm_weight"])
    q = (query @ a["q_weight" if m.query_width is None else "q_b_weight"]).reshape(c.T, N, D)
    out = np.zeros((c.T, N, Dv))
    for n in range(N):
        up_k, up_v = a["k_b_weight"].reshape(L, N, D - R)[:, n], a["v_b_weight"].reshape(L, N, Dv)[:, n]
        for t in range(c.T):
            own = np.concatenate([q[t, n, : D - R], turned(q[t, n, D - R :], t)])
            scores = [own @ np.concatenate([latent[s] @ up_k, keys[s]]) / np.sqrt(D) for s in range(t + 1)]
            p = np.exp(scores - np.max(scores))
            out[t, n] = p / p.sum() @ (latent[: t + 1] @ up_v)
    return (out.reshape(c.T, N * Dv) @ a["proj_weight"])[None], np.concatenate([latent, keys], axis=-1)[None]


@BOTH
def test_prefill_is_the_papers_and_decode_its_last_token_from_latents_alone(config: Config) -> None:
    n, w, m = 9, workloads.load("attention"), config.latent
    assert m is not None
    prefill, decode = case("attention", config, n=n), case("attention", config, Phase.DECODE, n=n)
    a = weights(prefill) | inputs(prefill)
    y, kept = by_the_paper(prefill, a, m)
    np.testing.assert_allclose(w.program(NumpyOps(), prefill, a)["y"], y, rtol=1e-10, atol=1e-12)
    cache = np.concatenate([kept[:, :-1], np.full_like(kept[:, -1:], 1e6)], axis=1)  # the last slot must not be seen
    got = w.program(NumpyOps(), decode, weights(decode) | {"x": a["x"][:, -1:], "latent_cache": cache})
    np.testing.assert_allclose(got["y"], y[:, -1:], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got["latent_cache"], kept, rtol=1e-12, atol=1e-12)


def test_a_cache_of_latents_is_as_wide_as_they_are_whatever_the_heads() -> None:
    assert TINY_LITE.latent is not None
    c = case(config=replace(TINY_LITE, heads=16, kv_heads=16), phase=Phase.DECODE, B=3, n=50)
    block = workloads.load("block")
    assert block.specs(c)["latent_cache"].shape == block.outputs(c)["latent_cache"] == (3, 50, 24 + 8)
    assert not {"k_cache", "v_cache"} & (block.specs(c).keys() | block.outputs(c).keys())


@BOTH
@pytest.mark.parametrize("phase", Phase)
def test_flops_are_those_of_the_products_done(config: Config, phase: Phase) -> None:
    """Counted from the shapes that pass through, not from the formula; of scores the half that is masked taken out."""
    counted = {"products": 0}

    class Counting(NumpyOps):
        def matmul(self, a: Any, b: Any) -> Any:
            out = super().matmul(a, b)
            counted["products"] += 2 * out.size * a.shape[-1]
            return out

    c = case("attention", replace(config, heads=8, kv_heads=8), phase, B=2, n=24)
    w = workloads.load("attention")
    w.program(Counting(), c, weights(c) | inputs(c))
    masked = c.B * c.config.heads * c.T * (c.T - 1) // 2 * 2 * (config.head_width + config.value_width)
    costs = w.costs(c, 4)
    small = sum(cost.flops for cost in costs) - (counted["products"] - masked)
    assert 0 < small < 0.15 * counted["products"], "norms, rotation and softmax: a few operations an element"


def test_bytes_of_a_decode_grow_by_the_latents_alone() -> None:
    m, w = TINY_DEEPSEEK.latent, workloads.load("attention")
    assert m is not None
    short, long = (w.costs(case("attention", TINY_DEEPSEEK, Phase.DECODE, n=n), 2) for n in (100, 101))
    grown = {b.step: b.bytes - a.bytes for a, b in zip(short, long, strict=True)}
    each = (m.width + m.rope_width) * 2
    assert grown == {"latent": 0, "qkv": 0, "rope": 0, "attention": each, "proj": 0}, (
        "read once, and of one token written"
    )


def test_pairs_of_neighbours_are_brought_apart_and_scores_stay() -> None:
    """Each pair (2i, 2i + 1) turned as a complex number, as DeepSeek's code has it, against halves."""
    rng, N, D, R, T = np.random.default_rng(5), 3, 10, 6, 4
    h, wq, wk = rng.standard_normal((T, 8)), rng.standard_normal((8, N * D)), rng.standard_normal((8, D))
    angles = rng.standard_normal((T, R // 2))
    cos, sin = np.cos(angles), np.sin(angles)

    def neighbours(x: np.ndarray) -> np.ndarray:
        z = (x[..., D - R :: 2] + 1j * x[..., D - R + 1 :: 2]) * np.exp(1j * angles)[:, None]
        return np.concatenate([x[..., : D - R], np.stack([z.real, z.imag], -1).reshape(*x.shape[:-1], R)], axis=-1)

    def halves(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x[..., : D - R], NumpyOps().rope(x[None, ..., D - R :], cos, sin)[0]], axis=-1)

    c = replace(TINY, head_width=D, kv_heads=TINY.heads, latent=Latent(8, R, 6))
    expected = np.einsum("tnd,skd->nts", neighbours((h @ wq).reshape(T, N, D)), neighbours((h @ wk)[:, None]))
    q, k = (h @ halves_of_pairs(wq, N, c)).reshape(T, N, D), (h @ halves_of_pairs(wk, 1, c))[:, None]
    np.testing.assert_allclose(np.einsum("tnd,skd->nts", halves(q), halves(k)), expected, rtol=1e-10, atol=1e-12)
    assert not np.allclose(np.einsum("tnd,skd->nts", halves((h @ wq).reshape(T, N, D)), halves(k)), expected)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"latent": Latent(32, 16, 12)}, "rope_width of latent of less than head_width=16, got 16"),
        ({"latent": Latent(32, 8, 12), "kv_heads": 2}, "expected kv_heads=4 of latent attention, got kv_heads=2"),
        ({"latent": Latent(32, 8, 12), "window": 4}, "expected window=None of latent attention, got window=4"),
        ({"latent": Latent(32, 8, 12), "qkv_bias": True}, "expected qkv_bias=False of latent attention"),
        ({"latent": Latent(32, 8, 12), "rope_theta": None}, "expected a rope_theta of latent attention"),
        ({"latent": {"width": 32}}, "latent of 'tiny': expected a Latent or None"),
        ({"shared_width": 8}, "expected experts and at most as many experts_per_token, got experts=None"),
        ({"expert_scale": 2.0}, "expected experts and at most as many experts_per_token, got experts=None"),
    ],
)
def test_what_does_not_go_together_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(TINY, **{"kv_heads": 4} | changed)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"width": 32}', "missing 2 required"),
        ('{"width": 32, "rope_width": 7, "value_width": 8}', "rope_width must be even, got 7"),
        ('{"width": 1e30, "rope_width": 8, "value_width": 8}', "width of latent: expected a whole number"),
        ('{"width": 10000000000000, "rope_width": 8, "value_width": 8}', "width of latent: expected at most"),
        ("[32, 8, 12]", "expected none or a JSON object such as"),
    ],
)
def test_a_latent_is_set_as_an_object_or_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="latent") as caught:
        replace(TINY, kv_heads=4).with_overrides({"latent": text})
    assert says in str(caught.value)
    told = Config.as_text(TINY_LITE.latent)
    assert replace(TINY, kv_heads=4).with_overrides({"latent": told}).latent == TINY_LITE.latent
