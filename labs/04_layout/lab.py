# %% [markdown]
"""# What does an odd size cost? Layout, tiles and padding on three machines

A matrix has R*C numbers. What it takes in a memory, and what a pass over it takes in time, a machine decides:

* a **TPU** has vector registers of 8 by 128 numbers of 4 bytes. XLA stores arrays in such tiles, and whole ones: the
  layout `bf16[1024,129]{0,1:T(8,128)(2,1)}` says in braces which axis lies along the 128 lanes (the first number, here
  axis 0), then the tile. A tile counts numbers: in bfloat16, too, axes are padded to 8 and 128, and (2,1), two numbers
  of 2 bytes in a place of 4, is the order inside a tile alone. XLA chooses the order of an argument unless it is told
  one;
* a **CPU** reads any address. XLA's layouts for it have no tile. A library may still pack weights into blocks as its
  registers are: oneDNN does;
* a **NeuronCore** works on 128 partitions. An instruction takes a tile of up to 128 rows, and as many numbers on each
  partition as it has columns. It takes as long for one partition as for all.
"""

# %% tags=["shape"]
SHAPE = {"R": 300, "C": 130, "dtype": "bfloat16", "chip": "v5e", "bytes": 2}

# %% [markdown]
"""## Predict

Fill in [predict] of answers.toml. Then

    oneblock lab predict 4
    oneblock lab run 4

## See

artifact.json has of the program x * 2

* `xla_tpu`: layout and `argument_bytes` as XLA `chosen`, and as it is told `row_major` or `column_major`;
* `jax_xla`: the same for a CPU. `torch_eager`: `packed_bytes` of the matrix as weights with C inputs and R outputs, for
  the instruction set `isa` of this processor: another processor may have other blocks;
* `nki`: two kernels, with rows and with columns on the partitions: instructions by engine, bytes by DMA (interpreted),
  and seconds that engines are busy (modelled).

Fill in [observe], [explain], [apply].

## Make

`tiled` below is given x (R, C) in float32 and returns its numbers one after another, as they lie in the memory of a TPU
with the layout f32[R,C]{1,0:T(8,128)}: tile after tile, along the rows of tiles; in a tile row after row; zeros where
x has no numbers. Below it returns them as a CPU has them. Then

    oneblock lab check 4
"""

# %% tags=["kernel"]
import numpy as np


# %% tags=["make"]
def tiled(x):
    """x (R, C) -> its numbers, row by row."""
    return x.ravel()


# %% tags=["solution"]
def tiled(x):  # noqa: F811
    """x (R, C) -> its numbers, tile by tile of 8 by 128."""
    R, C = x.shape
    whole = np.pad(x, ((0, -R % 8), (0, -C % 128)))
    return whole.reshape(whole.shape[0] // 8, 8, -1, 128).transpose(0, 2, 1, 3).ravel()


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: by rounding up, the rest off the artifact."""
    R, C, R2, C2, D2, V2, P2 = (shape[axis] for axis in ("R", "C", "R2", "C2", "D2", "V2", "P2"))

    def up(n, to):
        return -(-n // to) * to

    def least(rows, columns):
        return min(up(rows, 8) * up(columns, 128), up(rows, 128) * up(columns, 8))

    busy = {name: artifact["nki"][f"by_{name}"]["busy_s"]["vector"] for name in ("rows", "columns")}
    answers = {
        "tpu_kib": least(R, C) * shape["bytes"] / 1024,
        "cpu_kib": R * C * shape["bytes"] / 1024,
        "nki_instructions": -(-R // 128),
        "nki_faster": min(busy, key=busy.get),
        "why_idle": "lanes",
        "other_kib": least(R2, C2) * 4 / 1024,
        "head_percent": 100 * (128 - D2) / 128,
        "vocabulary": up(V2, 128 * P2) - V2,
    }
    if (tpu := artifact.get("xla_tpu")) is not None:
        answers |= {
            "row_major_kib": tpu["row_major"]["argument_bytes"] / 1024,
            "lanes": "columns" if "{1,0:" in tpu["chosen"]["layout"] else "rows",
            "why_order": "least",
        }
    if (packed := artifact.get("torch_eager")) is not None:
        answers["packed_kib"] = packed["packed_bytes"] / 1024
    return answers
