"""The attention part of a block: projections, RoPE if any, causal grouped attention, and in decode the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from oneblock.workloads._latent import latent_attend, latent_costs, latent_specs
from oneblock.workloads._workload import Case, Common, Outputs, Phase, Spec, StepCost, Workload
from oneblock.workloads.mlp import linear_cost, linear_specs
from oneblock.workloads.models import Config
from oneblock.workloads.models._rope import cos_table, sin_table
from oneblock.workloads.norm import input_spec, output_shapes, qk_norm_costs, qk_norm_specs, qk_normalise
from oneblock.workloads.ops.definitions import Array, Ops, Scores


def attend(ops: Ops, case: Case, a: Mapping[str, Array], h: Array, *, by_slots: bool = False) -> Outputs:
    """h (B, T, C) -> "y" (B, T, C); in decode also "k_cache" and "v_cache" (B, K, S, D), the new token last.

    Of latent attention it is "latent_cache" instead: see `_latent`. By slots, a prefill gives the caches, too; where
    there is a "position" (B,), a decode writes each sequence's token there and sees what stands before: see `_slots`;
    where there are "pages" (B, S / page), it is a place of a pool that they share: see `_pages`.
    """
    c, B, T = case.config, case.B, case.T
    if c.latent is not None:
        return latent_attend(ops, case, c.latent, a, h)
    with ops.step("qkv"):
        q = ops.linear(h, a["q_weight"], a.get("q_bias")).reshape(B, T, c.heads, c.head_width)
        k = ops.linear(h, a["k_weight"], a.get("k_bias")).reshape(B, T, c.kv_heads, c.head_width)
        v = ops.linear(h, a["v_weight"], a.get("v_bias")).reshape(B, T, c.kv_heads, c.head_width)
    if c.qk_norm is not None:
        with ops.step("qk_norm"):
            q, k = qk_normalise(ops, case, a, "q", q), qk_normalise(ops, case, a, "k", k)
    if c.rope_theta is not None:
        with ops.step("rope"):
            q, k = _rotate(ops, c, a, q), _rotate(ops, c, a, k)
    with ops.step("attention"):
        out, caches = _over_keys(ops, case, a, (q, k, v), by_slots=by_slots)
    with ops.step("proj"):
        y = ops.linear(out.reshape(B, T, c.heads * c.head_width), a["proj_weight"], a.get("proj_bias"))
    return {"y": y, **caches}


def _over_keys(
    ops: Ops, case: Case, a: Mapping[str, Array], qkv: tuple[Array, Array, Array], *, by_slots: bool
) -> tuple[Array, Outputs]:
    """q (B, T, N, D), k and v (B, T, K, D) -> what attention answers (B, T, N, D), and the caches."""
    (q, k, v), c = qkv, case.config
    if case.phase is not Phase.DECODE:
        scores = Scores(c.qk_scale, c.window if c.window is not None and c.window < case.T else None, c.soft_cap)
        caches = {"k_cache": k.swapaxes(1, 2), "v_cache": v.swapaxes(1, 2)} if by_slots else {}
        return ops.attention(q, k, v, scores), caches
    scores = Scores(c.qk_scale, soft_cap=c.soft_cap)
    if "pages" in a:
        pools = {name: _write_rows(ops, a[name], x, a["row"]) for name, x in (("k_cache", k), ("v_cache", v))}
        page = case.S // a["pages"].shape[1]
        k, v = (pool.reshape(-1, page, c.kv_heads, c.head_width) for pool in pools.values())
        return ops.attention_paged(q, k, v, a["pages"], a["position"], replace(scores, window=c.window)), pools
    position, new = a.get("position"), {"k_cache": k.swapaxes(1, 2), "v_cache": v.swapaxes(1, 2)}  # (B, K, 1, D)
    caches = {name: ops.write(a[name], one, position) for name, one in new.items()}
    k, v = caches["k_cache"], caches["v_cache"]  # (B, K, S, D)
    if c.window is not None and position is None:
        k, v = k[:, :, -c.window :], v[:, :, -c.window :]
    k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)
    if position is None:
        return ops.attention(q, k, v, scores), caches
    return ops.attention_over(q, k, v, scores, ops.visible_at(position, case.S, c.window)), caches


def _write_rows(ops: Ops, pool: Array, new: Array, row: Array) -> Array:
    """pool (1, P * page, K * D) with new (B, 1, K, D) of each sequence in its row (B,), in the pool's own memory."""
    new = new.reshape(new.shape[0], 1, -1)
    for b in range(new.shape[0]):
        pool = ops.write(pool, new[b : b + 1], row[b : b + 1])
    return pool


def _rotate(ops: Ops, c: Config, a: Mapping[str, Array], x: Array) -> Array:
    """x (B, T, heads, D) -> (B, T, heads, D), of each head the first R dimensions rotated.

    Tables are (T, R/2), or (B, 1, R/2) where each sequence's token has a position of its own.
    """
    cos, sin, shape = a["rope_cos"], a["rope_sin"], x.shape
    if len(cos.shape) > 2:  # B sequences of one token turn as one of B
        cos, sin = (table.reshape(-1, c.rotated // 2) for table in (cos, sin))
        x = x.reshape(1, *shape[::2], shape[-1])
    if c.rotated == c.head_width:
        x = ops.rope(x, cos, sin)
    else:
        x = ops.xp.concat([ops.rope(x[..., : c.rotated], cos, sin), x[..., c.rotated :]], axis=-1)
    return x if x.shape == shape else x.reshape(*shape)


def attention_specs(case: Case) -> dict[str, Spec]:
    """The four projections, the rotary tables, and in decode the cache."""
    c, bias = case.config, case.config.qkv_bias
    if c.latent is not None:
        return latent_specs(case, c.latent)
    C, ND, KD = c.width, c.heads * c.head_width, c.kv_heads * c.head_width
    shared = Common("qk_shared", self_attention_share(c), c.kv_heads, c.head_width)
    specs = linear_specs("q", C, ND, bias=bias, common=shared)
    specs |= linear_specs("k", C, KD, bias=bias, common=shared)
    specs |= linear_specs("v", C, KD, bias=bias) | linear_specs("proj", ND, C, bias=c.proj_bias, by_rows=True)
    specs |= qk_norm_specs(case)
    if c.rope_theta is not None:
        table = (case.T, c.rotated // 2)
        specs |= {"rope_cos": Spec(table, table=cos_table), "rope_sin": Spec(table, table=sin_table)}
    if case.phase is Phase.DECODE:
        shape = (case.B, c.kv_heads, case.S, c.head_width)
        cache = Spec(shape, is_input=True, is_state=True, split=("dp", "tp", None, None))
        specs |= {"k_cache": cache, "v_cache": cache}
    return specs


def attention_outputs(case: Case) -> dict[str, tuple[int, ...]]:
    """y (B, T, C), and in decode both caches (B, K, S, D), or that of latents."""
    caches = {name: spec.shape for name, spec in attention_specs(case).items() if spec.is_input}
    return output_shapes(case) | caches


def self_attention_share(config: Config) -> float:
    """How much of q's and k's variance is common, so that a token's score with itself is about 5.

    With independent q and k every key would weigh 1/S, and a mask off by one would vanish in bfloat16 as S grows.
    Trained heads do look at their own token. For unit q and k of common share r, E[q.k] / sqrt(D) = r * sqrt(D).
    """
    return float(min(0.9, 5.0 / np.sqrt(config.head_width)))


def attention_costs(case: Case, itemsize: int) -> list[StepCost]:
    """qkv and proj as projections; RoPE 3 FLOPs an element; attention over the visible pairs alone.

    Visible pairs of one head: P = T*S - T*(T-1)/2, of a window W the sum of min(W, t + S - T + 1) over t. Attention:
    4*B*N*D*P for the two products and 5*B*N*P for scale, maximum, subtraction, exponential and sum, 3*B*N*P more for a
    soft cap, plus B*N*T*D divisions. Bytes, each step as one kernel: qkv reads h once; RoPE reads and writes the R of
    D dimensions of q and k that it rotates; attention reads q, k and v (B*S*K*D each, of a window in decode the last W
    of S) and writes its output, and in decode one token's K*D into each cache.
    """
    c, B, T, S = case.config, case.B, case.T, case.S
    if c.latent is not None:
        return latent_costs(case, c.latent, itemsize)
    C, N, K, D = c.width, c.heads, c.kv_heads, c.head_width
    rows = B * T
    projections = [linear_cost(case, C, width * D, itemsize, bias=c.qkv_bias) for width in (N, K, K)]
    read_twice_too_often = 2 * rows * C * itemsize
    qkv = (sum(f for f, _ in projections), sum(b for _, b in projections) - read_twice_too_often)
    rotated = rows * (N + K) * c.rotated
    pairs, seen = visible_pairs(T, S, c.window), S if c.window is None or T > 1 else min(S, c.window)
    written = 2 * B * K * D if case.phase is Phase.DECODE else 0
    costs = [StepCost("qkv", *qkv), *qk_norm_costs(case, itemsize)]
    if c.rope_theta is not None:
        costs.append(StepCost("rope", 3 * rotated, (2 * rotated + T * c.rotated) * itemsize))
    flops = B * N * pairs * (4 * D + (5 if c.soft_cap is None else 8)) + rows * N * D
    costs.append(StepCost("attention", flops, (2 * rows * N * D + 2 * B * seen * K * D + written) * itemsize))
    return [*costs, StepCost("proj", *linear_cost(case, N * D, C, itemsize, bias=c.proj_bias))]


def visible_pairs(T: int, S: int, window: int | None) -> int:
    """Pairs of a query and a key that it sees: all before it, or of a window the last so many."""
    full = T * S - T * (T - 1) // 2
    if window is None or window >= S:
        return full
    before = max(0, min(T, window - (S - T)))  # queries that see fewer keys than the window
    return full - sum((S - T + 1 + t) - window for t in (before, T - 1)) * (T - before) // 2 if before < T else full


def program(ops: Ops, case: Case, a: Mapping[str, Array]) -> Outputs:
    """x (B, T, C) -> y (B, T, C), and in decode the updated caches."""
    return attend(ops, case, a, a["x"])


WORKLOAD = Workload(
    name="attention",
    program=program,
    specs=lambda case: input_spec(case) | attention_specs(case),
    costs=attention_costs,
    outputs=attention_outputs,
    main_input="x",
)
