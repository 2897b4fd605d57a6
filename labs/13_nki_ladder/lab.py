# %% [markdown]
"""# The NKI ladder: one product on a NeuronCore in four stages

A NeuronCore has no cache. What a kernel loads into SBUF is what crosses the memory bus, no more and no less, so that
its traffic can be counted from its loops. Four stages write one product, lhsT.T @ rhs:

* `basic`: a tile of 128 rows by 128 columns of the answer at a time, which loads all that it needs;
* `tiled`: the same with 512 columns, the widest that TensorE takes;
* `hoisted`: 128 rows of lhsT are kept for all columns;
* `blocked`: all of lhsT is kept in SBUF, with an accumulator in PSUM for every 128 rows, so that a tile of rhs serves
  them all.

All numbers here are interpreted (bytes, instructions) or modelled (time): no device is asked.
"""

# %% tags=["shape"]
SHAPE = {"M": 384, "K": 256, "N": 1024, "chip": "trn1", "M2": 448, "N2": 1216}

# %% [markdown]
"""## Predict

In answers.toml fill in [predict], for the shape above: how many MiB does each stage move between HBM and SBUF?
Operands and answer are bfloat16, and PSUM holds the sums in float32. Then

    oneblock lab predict 13
    oneblock lab run 13

## See

The run has written artifact.json: for both generations and each stage bytes, instructions by engine, busy seconds by
engine, and a modelled timeline. The command that it prints last shows the same by source line; with `--perfetto DIR`
you see the engines wait for each other. Then fill in [observe], [explain] and [apply].

## Make

Write `linear_relu` below: max(lhsT.T @ rhs, 0) for the shape above, with each matrix crossing the bus once. It starts
as the stage `tiled` with a ReLU, in a second pass through HBM, and a mistake. `nisa.tensor_scalar(dst=, data=, op0=,
operand0=)` reads PSUM or SBUF and writes SBUF. PSUM has 8 banks: 8 accumulators of 512 float32 columns at once. SBUF
is large: each of these matrices fits. NKI takes no comprehensions: make lists with append. Then

    oneblock lab check 13
"""

# %% tags=["kernel"]
import nki
import nki.isa as nisa
import nki.language as nl


def loaded(source, top, left, columns):
    """A tile (128, columns) of a matrix in SBUF."""
    tile = nl.ndarray((128, columns), dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source[top : top + 128, left : left + columns])
    return tile


# %% tags=["make"]
@nki.jit
def linear_relu(lhsT, rhs):
    """max(lhsT.T @ rhs, 0): lhsT (K, M), rhs (K, N), sizes multiples of 128 and of 512 for N."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    for m in range(0, M, 128):
        for n in range(0, N, 512):
            acc = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
            for k in range(0, K, 128):
                nisa.nc_matmul(acc, loaded(lhsT, k, m, 128), loaded(rhs, k, n, 512))
            tile = nl.ndarray((128, 512), dtype=out.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=tile, src=acc)
            nisa.dma_copy(dst=out[m : m + 128, n : n + 512], src=tile)
    for m in range(0, M, 128):
        for n in range(0, N, 512):
            again = loaded(out, m, n, 512)
            nisa.tensor_scalar(dst=again, data=again, op0=nl.maximum, operand0=1.0)
            nisa.dma_copy(dst=out[m : m + 128, n : n + 512], src=again)
    return out


# %% tags=["solution"]
@nki.jit
def linear_relu(lhsT, rhs):  # noqa: F811
    """max(lhsT.T @ rhs, 0): each block of 512 columns goes down K with an accumulator for every 128 rows."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    lefts = []
    for n in range(0, N, 512):
        accs = []
        for _ in range(0, M, 128):
            accs.append(nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum))
        for k in range(0, K, 128):
            if n == 0:
                lefts.append(loaded(lhsT, k, 0, M))
            right = loaded(rhs, k, n, 512)
            for i in range(len(accs)):
                nisa.nc_matmul(accs[i], lefts[k // 128][:, i * 128 : i * 128 + 128], right)
        for i in range(len(accs)):
            tile = nl.ndarray((128, 512), dtype=out.dtype, buffer=nl.sbuf)
            nisa.tensor_scalar(dst=tile, data=accs[i], op0=nl.maximum, operand0=0.0)
            nisa.dma_copy(dst=out[i * 128 : i * 128 + 128, n : n + 512], src=tile)
    return out


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: traffic by counting loops, the rest by reading the artifact."""
    M, K, N, M2, N2 = (shape[axis] for axis in ("M", "K", "N", "M2", "N2"))
    mib = 2 / 2**20
    busy = {chip: artifact[chip]["blocked"]["busy_s"] for chip in ("trn1", "trn2")}
    longest = {chip: max(one, key=one.get) for chip, one in busy.items()}
    first = artifact[shape["chip"]]["basic"]["busy_s"]
    times = {chip: artifact[chip]["blocked"]["modelled_s"]["timeline"] for chip in busy}
    return {
        "basic_mib": mib * (K * M * N / 128 + K * N * M / 128 + M * N),
        "tiled_mib": mib * (K * M * N / 512 + K * N * M / 128 + M * N),
        "hoisted_mib": mib * (K * M + K * N * M / 128 + M * N),
        "blocked_mib": mib * (K * M + K * N + M * N),
        "basic_busiest": max(first, key=first.get),
        "blocked_busiest": longest[shape["chip"]],
        "why_tiled": "left",
        "faster": min(times, key=times.get),
        "what_decides": longest["trn1"] if longest["trn1"] == longest["trn2"] else "differs",
        "other_mib": mib * (K * M2 * -(-N2 // 512) + K * N2 * -(-M2 // 128) + M2 * N2),
    }
