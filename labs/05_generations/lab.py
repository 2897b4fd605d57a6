# %% [markdown]
"""# One Triton kernel, five GPU generations

Triton's wheel holds the compilers for all its GPUs, so that a laptop can say what a kernel needs on any of them. One
text, `product.py`, which the run puts beside this: y = x @ w in float16, a tile (BM, BN) a program, BK of the inner
axis a step. It is compiled for Turing (sm_75, a T4), Ampere (sm_80, A100), Hopper (sm_90, H100), Blackwell (sm_100,
B200) and AMD's CDNA3 (gfx942, MI300X). Nothing is run and nothing is timed: all numbers are compiled, or modelled from
them.

`num_stages` steps of the loop are at work at once, each with a tile of x and one of w: the matrix units (tensor cores)
multiply one, and the others are on their way to shared memory. Where the one that is multiplied lies is up to the
instruction: `mma.sync` takes operands from registers, `wgmma` from shared memory, where four warps share them, and
`tcgen05.mma` has a memory of its own for its sums.

An SM holds 64 warps, 16 for each of its four schedulers. A scheduler has 512 registers for each of 32 lanes; a warp
takes as many for a lane as a thread of it uses, rounded up to a multiple of 8. Warps of all blocks are dealt out to
schedulers with room. Shared memory is 164 KiB on sm_80 and 228 on sm_90, and a block takes 1 KiB beside its own.
"""

# %% tags=["shape"]
SHAPE = {"BM": 64, "BN": 128, "BK": 32, "stages": 3, "warps": 4, "chip": "sm_80", "M": 200, "N": 512, "K": 256}

# %% [markdown]
"""## Predict

Fill in [predict] of answers.toml. When the loop is over the tile of y passes through shared memory as well, where the
operands were: it adds nothing where they took more. Then

    oneblock lab predict 5
    oneblock lab run 5

## See

artifact.json has, of each generation, `unit`, `multiplies` (how often that instruction is written), `registers` and
`spill_bytes` of a thread, `shared_bytes`, `warps` and `threads` of a block, and each of its `instructions` with how
often it is written. The folder texts/ beside it has every stage of each: .ttir, .ttgir, .llir, and .ptx or .amdgcn.
Fill in [observe], [explain] and [apply].

## Make

`product_relu` below is to be y = max(x @ w, 0), x (M, K), w (K, N). It multiplies in float32, which wgmma
does not take, but for TF32 at half the rate; and M is no multiple of BM, so that the last tile is not full. N and K are
multiples of 128. Change it, and CONFIG, so that

* it is right, and touches nothing outside of its arrays;
* sm_90 multiplies by wgmma of float16 with sums of float32, and neither sm_80 nor sm_90 spills;
* loads run ahead of products: num_stages is 2 or more;
* operands are read as seldom as with a tile of 128 x 128: 1/BM + 1/BN is 1/64 or less;
* two blocks or more live on an SM of sm_80.

CONFIG has those five and no others. The kernel is interpreted here for two M, compiled for both, and its resources are
told. Then

    oneblock lab check 5
"""

# %% tags=["kernel"]
import triton
import triton.language as tl

# %% tags=["make"]
CONFIG = {"BM": 128, "BN": 128, "BK": 32, "num_warps": 8, "num_stages": 3}


@triton.jit
def product_relu(x_ptr, w_ptr, y_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """max(x @ w, 0): x (M, K), w (K, N), y (M, N), all in rows and in float16."""
    rows, columns = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        x = tl.load(x_ptr + rows[:, None] * K + (k + inner)[None, :])
        w = tl.load(w_ptr + (k + inner)[:, None] * N + columns[None, :])
        total = tl.dot(x.to(tl.float32), w.to(tl.float32), total, input_precision="ieee")
    tl.store(y_ptr + rows[:, None] * N + columns[None, :], tl.maximum(total, 0.0).to(tl.float16))


# %% tags=["solution"]
# Four warps of up to 255 registers: eight of 172 are one block alone, as 172 * 8 / 4 is more than half of 512.
CONFIG = {"BM": 128, "BN": 128, "BK": 32, "num_warps": 4, "num_stages": 3}


@triton.jit
def product_relu(x_ptr, w_ptr, y_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):  # noqa: F811
    """Operands stay in float16; rows beyond M are masked where x is read and where y is written."""
    rows, columns = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    inside = (rows < M)[:, None]
    total = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        x = tl.load(x_ptr + rows[:, None] * K + (k + inner)[None, :], mask=inside, other=0.0)
        w = tl.load(w_ptr + (k + inner)[:, None] * N + columns[None, :])
        total = tl.dot(x, w, total)
    tl.store(y_ptr + rows[:, None] * N + columns[None, :], tl.maximum(total, 0.0).to(tl.float16), mask=inside)


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: resources by the text's rules, instructions off the artifact."""
    warps, blocks = shape["warps"], shape["blocks"]
    answers = {"most_registers": 512 // -(-blocks * warps // 4) // 8 * 8}
    if (made := artifact.get("triton_kernels")) is not None:
        BM, BN, BK, stages = (shape[name] for name in ("BM", "BN", "BK", "stages"))
        stage = 2 * BK * (BM + BN)
        one, kib = made[shape["chip"]], {"sm_80": 164, "sm_90": 228}[shape["chip"]]
        limits = {
            "registers": min(16, 512 // (-(-one["registers"] // 8) * 8)) * 4 // warps,
            "shared": kib * 1024 // (-(-one["shared_bytes"] // 128) * 128 + 1024),
        }
        answers |= {
            "unit_sm_75": "fma",
            "shared_sm_90": stages * stage,
            "shared_sm_80": made["sm_80"]["shared_bytes"],
            "mma_sm_80": BM * BN * BK // (16 * 8 * 16) // warps,
            "first_text": "ttgir",
            "threads_gfx942": 64 * warps,
            "blocks": min(limits.values()),
            "why_shared": "operands",
            "limit": min(limits, key=limits.get),
            "most_stages": 227 * 1024 // (2 * shape["BK2"] * (shape["BM2"] + shape["BN2"])),
            "unit_small": "mma",
        }
    return answers
