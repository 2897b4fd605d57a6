"""A small matmul in three TF32 products, whose shared memory doubled with a release: triton#11526.

oneblock releases --script ci/regressions/tf32x3_matmul.py --toolchain triton=3.6.0..3.8.0 --bisect --of shared_bytes

A kernel of our own of the size they tell: a tile of 16x16, one warp, two stages, and one operand widened from bfloat16.
It is compiled for three of NVIDIA's architectures with whatever Triton is imported, and nothing runs.
"""

from __future__ import annotations

import json

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from oneblock.compilers.triton.machine_code import nvidia

_CASES = [(80, "tf32x3"), (89, "tf32x3"), (90, "tf32x3"), (90, "tf32")]
_FIGURES = ("shared_bytes", "registers")
_TYPES = {"X": "*bf16", "W": "*fp32", "Y": "*fp32"}
_SIZES = {"BM": 16, "BN": 16, "BK": 16}


@triton.jit
def matmul(
    X, W, Y, n, k,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One tile of Y = X W^T, of bfloat16 and float32; n and k are whole numbers of blocks."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros([BM, BN], tl.float32)
    for start in range(0, k, BK):
        inner = start + tl.arange(0, BK)
        x = tl.load(X + rows[:, None] * k + inner[None, :]).to(tl.float32)
        w = tl.load(W + columns[None, :] * k + inner[:, None])
        total = tl.dot(x, w, total, input_precision=PRECISION)
    tl.store(Y + rows[:, None] * n + columns[None, :], total)


def counts(capability: int, precision: str) -> dict[str, float]:
    """What one block of it needs, built so."""
    names = matmul.arg_names
    constants = {**_SIZES, "PRECISION": precision}
    signature = {name: "constexpr" if name in constants else _TYPES.get(name, "i32") for name in names}
    where = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(fn=matmul, signature=signature, constexprs=where)  # nothing is said of alignment
    built = triton.compile(source, GPUTarget("cuda", capability, 32), options={"num_warps": 1, "num_stages": 2})
    found = nvidia(built, capability)
    return {name: found[name] for name in _FIGURES}


if __name__ == "__main__":
    print(json.dumps({f"sm_{where} {precision}": counts(where, precision) for where, precision in _CASES}))
