"""Multi-head latent attention: of all that a token's keys and values are made of, one narrow vector is kept.

As in DeepSeek-V2 (DeepSeek-AI 2024, arXiv 2405.04434, section 2.1; its equations in brackets). Of a token's input h

    c_kv = norm(h W_DKV)           [9]   its latent (L,)
    k_r  = rope(h W_KR)            [15]  the rotated part (R,) of its keys, the same for all heads
    k    = [c_kv W_UK ; k_r]       [10, 17]  N keys of D = P + R
    v    = c_kv W_UV               [11]  N values of Dv
    c_q  = norm(h W_DQ)            [12]  the latent of its queries (Lq,), or h itself
    q    = [c_q W_UQ ; rope(c_q W_QR)]  [13, 14, 16]  N queries of D

and attention as everywhere; the norms are of its section 3.1.2. `kv_a` is W_DKV with W_KR beside it, `q` (or `q_b`) of
each head W_UQ with W_QR beside it.

A prefill projects its keys and values up, as written. A decode keeps c_kv and k_r of all positions, and projects none
of them up: q W_UK^T . c_kv is q . (c_kv W_UK), so that W_UK is taken to the one query, and W_UV to the one answer
("absorbed", as engines do). All heads then read one key (L + R,), which is the cache itself and whose first L are the
value: attention of N heads and K = 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.workloads._workload import Case, Common, Outputs, Phase, Spec, StepCost
from oneblock.workloads.mlp import linear_cost, linear_specs
from oneblock.workloads.models import Config, Latent
from oneblock.workloads.models._rope import cos_table, sin_table
from oneblock.workloads.ops.definitions import Array, Ops, Scores

_SHARE = 0.9  # of the variance of what makes queries and keys alike: see `self_attention_share`


def latent_attend(ops: Ops, case: Case, m: Latent, a: Mapping[str, Array], h: Array) -> Outputs:
    """h (B, T, C) -> "y" (B, T, C); in decode also "latent_cache" (B, S, L + R), the new token last."""
    c, B, T = case.config, case.B, case.T
    N, L, R, P = c.heads, m.width, m.rope_width, c.head_width - m.rope_width
    with ops.step("latent"):
        down = ops.linear(h, a["kv_a_weight"]).reshape(B, T, L + R)
        latent = ops.rms_norm(down[..., :L], a["kv_a_norm_weight"], m.norm_eps).reshape(B, T, L)
        of_query = h
        if m.query_width is not None:
            of_query = ops.rms_norm(ops.linear(h, a["q_a_weight"]), a["q_a_norm_weight"], m.norm_eps)
    with ops.step("qkv"):
        q = ops.linear(of_query, a[f"{_query(m)}_weight"]).reshape(B, T, N, c.head_width)
        q, q_r = q[..., :P], q[..., P:]
        if case.phase is Phase.DECODE:
            q = _by_head(ops, q, ops.xp.moveaxis(a["k_b_weight"].reshape(L, N, P), 0, 2))  # (B, 1, N, L)
        else:
            k = ops.linear(latent, a["k_b_weight"]).reshape(B, T, N, P)
            v = ops.linear(latent, a["v_b_weight"]).reshape(B, T, N, m.value_width)
    with ops.step("rope"):
        q_r = ops.rope(q_r, a["rope_cos"], a["rope_sin"])
        k_r = ops.rope(down[..., L:].reshape(B, T, 1, R), a["rope_cos"], a["rope_sin"])
    with ops.step("attention"):
        q, caches = ops.xp.concat([q, q_r], axis=-1), {}
        if case.phase is Phase.DECODE:
            new = ops.xp.concat([latent, k_r.reshape(B, T, R)], axis=-1)
            kept = caches["latent_cache"] = ops.write(a["latent_cache"], new)
            k = kept.reshape(B, case.S, 1, L + R)
            v = k[..., :L]
        else:
            k = ops.xp.concat([k, ops.xp.broadcast_to(k_r, (B, T, N, R))], axis=-1)
        out = ops.attention(q, k, v, Scores(c.qk_scale, None, c.soft_cap))  # (B, T, N, Dv), absorbed (B, 1, N, L)
    with ops.step("proj"):
        if case.phase is Phase.DECODE:
            out = _by_head(ops, out, a["v_b_weight"].reshape(L, N, m.value_width).swapaxes(0, 1))
        y = ops.linear(out.reshape(B, T, N * m.value_width), a["proj_weight"], a.get("proj_bias"))
    return {"y": y, **caches}


def _query(m: Latent) -> str:
    return "q" if m.query_width is None else "q_b"


def _by_head(ops: Ops, x: Array, weights: Array) -> Array:
    """x (B, 1, N, I), weights (N, I, O) of a head each -> (B, 1, N, O)."""
    B, _, N, _ = x.shape
    y = ops.matmul(x.reshape(B, N, x.shape[-1]).swapaxes(0, 1), weights)  # (N, B, O)
    return y.swapaxes(0, 1).reshape(B, 1, N, weights.shape[-1])


def latent_specs(case: Case, m: Latent) -> dict[str, Spec]:
    """The projections down and up, the norms of latents, the rotary tables, and in decode the cache (B, S, L + R).

    Devices split heads: what is projected down, and the cache, is whole on each. What a decode absorbs is the weight of
    no projection there.
    """
    c, L, R, Dv = case.config, m.width, m.rope_width, m.value_width
    C, N, D = c.width, c.heads, c.head_width
    query_in, alike = m.query_width or C, _alike(c, m)
    specs = linear_specs(_query(m), query_in, N * D, bias=False, common=alike.get(_query(m)))
    specs |= {"kv_a_weight": Spec((C, L + R), std=C**-0.5, common=alike["kv_a"], projection=True)}
    specs |= {"kv_a_norm_weight": Spec((L,), std=0.1, mean=1.0)}
    if m.query_width is not None:
        specs |= {"q_a_weight": Spec((C, query_in), std=C**-0.5, common=alike["q_a"], projection=True)}
        specs |= {"q_a_norm_weight": Spec((query_in,), std=0.1, mean=1.0)}
    for name, width in (("k_b", N * (D - R)), ("v_b", N * Dv)):
        projects = case.phase is Phase.PREFILL
        up = Spec((L, width), std=L**-0.5, common=alike.get(name), projection=projects, split=(None, "tp"))
        specs[f"{name}_weight"] = up
    specs |= linear_specs("proj", N * Dv, C, bias=c.proj_bias, by_rows=True)
    table = (case.T, R // 2)
    specs |= {"rope_cos": Spec(table, table=cos_table), "rope_sin": Spec(table, table=sin_table)}
    if case.phase is Phase.DECODE:
        specs["latent_cache"] = Spec((case.B, case.S, L + R), is_input=True, is_state=True, split=("dp", None, None))
    return specs


def _alike(c: Config, m: Latent) -> dict[str, Common]:
    """What queries have in common with keys: both latents and what is projected up, or the rotated part without one.

    A score of a token with itself is then about 4 at DeepSeek-V2's widths, where a mask off by one shows.
    """
    N, D, L, R = c.heads, c.head_width, m.width, m.rope_width
    if m.query_width is None:
        return {
            "q": Common("k_rope", _SHARE, 1, D, columns=(D - R, D)),
            "kv_a": Common("k_rope", _SHARE, 1, L + R, columns=(L, L + R)),
        }
    both = min(m.query_width, L)
    return {
        "q_a": Common("latents", _SHARE, 1, m.query_width, columns=(0, both)),
        "kv_a": Common("latents", _SHARE, 1, L + R, columns=(0, both)),
        "q_b": Common("qk_shared", _SHARE, N, D, rows=both, columns=(0, D - R)),
        "k_b": Common("qk_shared", _SHARE, N, D - R, rows=both),
    }


def latent_costs(case: Case, m: Latent, itemsize: int) -> list[StepCost]:
    """Projections as everywhere, norms of latents 4 FLOPs an element, RoPE 3 an element of N*R + R; P is D - R.

    Attention sees M pairs of a head, M = T*S - T*(T-1)/2: of a prefill 2*B*N*M*(D + Dv) for both products, of a decode
    2*B*N*M*((L + R) + L); and 5*B*N*M for scale, maximum, subtraction, exponential and sum, 3 more for a soft cap, plus
    a division for each element of its answer. A decode's qkv has 2*B*N*P*L for the absorbed query, and its proj
    2*B*N*L*Dv for the answer: to project S positions up would be 2*B*S*L*N*(P + Dv), S times as much.

    Bytes, each step as one kernel: h is read once by latent, which writes both latents and R of the key; attention of a
    prefill reads q, the N keys' P, the R that they share, and v; of a decode the cache, B*S*(L + R), once for keys and
    values of all heads, and writes one token's L + R into it.
    """
    c, B, T, S = case.config, case.B, case.T, case.S
    C, N, D, L, R, Dv = c.width, c.heads, c.head_width, m.width, m.rope_width, m.value_width
    rows, P, decodes, query_in = (
        B * T,
        c.head_width - m.rope_width,
        case.phase is Phase.DECODE,
        m.query_width or c.width,
    )
    widths = [L + R] if m.query_width is None else [L + R, query_in]
    normed = L + (m.query_width or 0)
    down = rows * (2 * C * sum(widths) + 4 * normed), rows * (C + sum(widths)) + C * sum(widths) + normed
    up = N * (P + Dv) * L
    q_flops, weights = 2 * rows * query_in * N * D, query_in * N * D
    if decodes:
        qkv = q_flops + 2 * rows * N * P * L, rows * (query_in + N * (L + R)) + weights + N * P * L
        keys, values, read, written = L + R, L, S * (L + R), L + R
        proj = 2 * rows * N * L * Dv, rows * N * (L - Dv) + N * L * Dv
    else:
        qkv = q_flops + 2 * rows * up, rows * (query_in + L + N * (D + P + Dv)) + weights + up
        keys, values, read, written = D, Dv, S * (N * (P + Dv) + R), 0
        proj = 0, 0
    pairs, rotated = T * S - T * (T - 1) // 2, rows * (N + 1) * R
    flops = B * N * pairs * (2 * (keys + values) + (5 if c.soft_cap is None else 8)) + rows * N * values
    out_flops, out_bytes = linear_cost(case, N * Dv, C, itemsize, bias=c.proj_bias)
    return [
        StepCost("latent", down[0], down[1] * itemsize),
        StepCost("qkv", qkv[0], qkv[1] * itemsize),
        StepCost("rope", 3 * rotated, (2 * rotated + T * R) * itemsize),
        StepCost("attention", flops, (rows * N * (keys + values) + B * (read + written)) * itemsize),
        StepCost("proj", proj[0] + out_flops, proj[1] * itemsize + out_bytes),
    ]
