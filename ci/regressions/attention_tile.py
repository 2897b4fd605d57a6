"""The attention tile of sglang's published regression: keys of 576, values of 512, a paged prefix and its extension.

oneblock releases --script ci/regressions/attention_tile.py --toolchain triton=3.6.0,3.7.1,3.9.0

A kernel of our own, after what sglang#34741 (gfx950, Triton 3.6 -> 3.7) tells of theirs: shapes, block sizes, warps;
and for sm_80 with the warps of triton#11373, whose kernel is another. It is compiled with whatever Triton is imported,
and nothing runs.
"""

from __future__ import annotations

import json

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from oneblock.compilers.triton.machine_code import amd, nvidia

_CASES = [("hip", "gfx950", 4, 64, 64), ("hip", "gfx950", 4, 64, 32), ("cuda", 80, 4, 32, 64), ("cuda", 80, 8, 32, 64)]
_FIGURES = ("registers", "spill_bytes", "stack_bytes", "shared_bytes")
_POINTERS = ("Q", "K", "V", "Y", "KB", "VB")
_TABLES = ("TBL", "SEQ", "EXT", "START")


@triton.jit
def attention_tile(
    Q, K, V, Y, KB, VB, TBL, SEQ, EXT, START, scale, sq, sk, sv, so, skb, svb, st,
    D: tl.constexpr, DPE: tl.constexpr, DV: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """One block of queries over the pages of its prefix, then over its own extension, causally."""
    b = tl.program_id(0)
    h = tl.program_id(1)
    mblk = tl.program_id(2)
    n_ext = tl.load(EXT + b)
    n_pre = tl.load(SEQ + b) - n_ext
    base = tl.load(START + b)
    d = tl.arange(0, D)
    dp = D + tl.arange(0, DPE)
    dv = tl.arange(0, DV)
    m = mblk * BM + tl.arange(0, BM)
    n = tl.arange(0, BN)
    mm = m < n_ext
    q = tl.load(Q + (base + m[:, None]) * sq + h * (D + DPE) + d[None, :], mask=mm[:, None], other=0.0)
    qp = tl.load(Q + (base + m[:, None]) * sq + h * (D + DPE) + dp[None, :], mask=mm[:, None], other=0.0)
    acc = tl.zeros([BM, DV], tl.float32)
    total = tl.zeros([BM], tl.float32)
    mx = tl.zeros([BM], tl.float32) - float("inf")
    for s in range(0, n_pre, BN):
        ok = s + n < n_pre
        loc = tl.load(TBL + b * st + s + n, mask=ok, other=0)
        k = tl.load(KB + loc[None, :] * skb + d[:, None], mask=ok[None, :], other=0.0)
        kp = tl.load(KB + loc[None, :] * skb + dp[:, None], mask=ok[None, :], other=0.0)
        qk = (tl.dot(q, k) + tl.dot(qp, kp)) * scale
        qk = tl.where(mm[:, None] & ok[None, :], qk, float("-inf"))
        nm = tl.maximum(tl.max(qk, 1), mx)
        r = tl.exp(mx - nm)
        p = tl.exp(qk - nm[:, None])
        total = total * r + tl.sum(p, 1)
        v = tl.load(VB + loc[:, None] * svb + dv[None, :], mask=ok[:, None], other=0.0)
        acc = acc * r[:, None] + tl.dot(p.to(v.dtype), v)
        mx = nm
    end = tl.minimum(n_ext, (mblk + 1) * BM)
    for s in range(0, end, BN):
        ok = s + n < end
        k = tl.load(K + (base + s + n[None, :]) * sk + d[:, None], mask=ok[None, :], other=0.0)
        kp = tl.load(K + (base + s + n[None, :]) * sk + dp[:, None], mask=ok[None, :], other=0.0)
        qk = (tl.dot(q, k) + tl.dot(qp, kp)) * scale
        qk = tl.where((m[:, None] >= s + n[None, :]) & mm[:, None] & ok[None, :], qk, float("-inf"))
        nm = tl.maximum(tl.max(qk, 1), mx)
        r = tl.exp(mx - nm)
        p = tl.exp(qk - nm[:, None])
        total = total * r + tl.sum(p, 1)
        v = tl.load(V + (base + s + n[:, None]) * sv + dv[None, :], mask=ok[:, None], other=0.0)
        acc = acc * r[:, None] + tl.dot(p.to(v.dtype), v)
        mx = nm
    tl.store(Y + (base + m[:, None]) * so + h * DV + dv[None, :], acc / total[:, None], mask=mm[:, None])


def source(block_m: int, block_n: int) -> ASTSource:
    """The kernel with its types and blocks."""
    names = attention_tile.arg_names
    sizes = {"D": 512, "DPE": 64, "DV": 512, "BM": block_m, "BN": block_n}
    types = {**dict.fromkeys(_POINTERS, "*bf16"), **dict.fromkeys(_TABLES, "*i32"), "scale": "fp32"}
    signature = {name: "constexpr" if name in sizes else types.get(name, "i32") for name in names}
    divisible = {(n,): [["tt.divisibility", 16]] for n, name in enumerate(names) if name not in ("scale", *sizes)}
    constants = {(names.index(name),): value for name, value in sizes.items()}
    return ASTSource(fn=attention_tile, signature=signature, constexprs=constants, attrs=divisible)


def counts(backend: str, architecture: str | int, warps: int, block_m: int, block_n: int) -> dict[str, float]:
    """What one block of it needs, built so."""
    target = GPUTarget(backend, architecture, 64 if backend == "hip" else 32)
    options = {"num_warps": warps, "num_stages": 1}
    built = triton.compile(source(block_m, block_n), target=target, options=options)
    found = amd(built) if backend == "hip" else nvidia(built, int(architecture))
    return {name: found[name] for name in _FIGURES}


if __name__ == "__main__":
    cases = {}
    for backend, architecture, warps, m, n in _CASES:
        where = architecture if backend == "hip" else f"sm_{architecture}"
        cases[f"{where} {warps} warps BLOCK_M {m} BLOCK_N {n}"] = counts(backend, architecture, warps, m, n)
    print(json.dumps(cases))
