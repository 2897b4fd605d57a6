"""A matmul whose loop asks for warps of their own, which some releases do not compile for sm_120: triton#10284.

oneblock releases --script ci/regressions/specialized_matmul.py --toolchain triton=3.5.1..3.7.1 --bisect --of compiles

A kernel of our own of the shape they tell: pointers that move on, masks, eight warps, three stages, and
warp_specialize=True on the loop over the inner dimension. It is compiled with whatever Triton is imported, and
nothing runs.
"""

from __future__ import annotations

import json
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

_CASES = [(100, True), (120, True), (120, False)]
_TYPES = {"X": "*fp16", "W": "*fp16", "Y": "*fp32"}
_SIZES = {"BM": 128, "BN": 128, "BK": 64}


@triton.jit
def matmul(
    X, W, Y, n, k,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, SPECIALIZE: tl.constexpr,
):  # fmt: skip
    """One tile of Y = X W; n is a whole number of blocks."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    at_x = X + rows[:, None] * k + inner[None, :]
    at_w = W + inner[:, None] * n + columns[None, :]
    total = tl.zeros([BM, BN], tl.float32)
    for block in tl.range(0, tl.cdiv(k, BK), warp_specialize=SPECIALIZE):
        x = tl.load(at_x, mask=inner[None, :] < k - block * BK, other=0.0)
        w = tl.load(at_w, mask=inner[:, None] < k - block * BK, other=0.0)
        total = tl.dot(x, w, total)
        at_x += BK
        at_w += BK * n
    tl.store(Y + rows[:, None] * n + columns[None, :], total)


def counts(capability: int, *, specialize: bool) -> dict[str, float]:
    """Whether it compiles, and if so the shared memory of a block in bytes."""
    names = matmul.arg_names
    constants = {**_SIZES, "SPECIALIZE": specialize}
    signature = {name: "constexpr" if name in constants else _TYPES.get(name, "i32") for name in names}
    divisible = {(n,): [["tt.divisibility", 16]] for n, name in enumerate(names) if name not in constants}
    where = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(fn=matmul, signature=signature, constexprs=where, attrs=divisible)
    try:
        built = triton.compile(source, GPUTarget("cuda", capability, 32), options={"num_warps": 8, "num_stages": 3})
    except RuntimeError as error:  # as its passes fail
        print(error, file=sys.stderr)
        return {"compiles": 0}
    return {"compiles": 1, "shared_bytes": built.metadata.shared}


if __name__ == "__main__":
    cases = {}
    for where, specialize in _CASES:
        how = "its own warps" if specialize else "as it is"
        cases[f"sm_{where} {how}"] = counts(where, specialize=specialize)
    print(json.dumps(cases))
