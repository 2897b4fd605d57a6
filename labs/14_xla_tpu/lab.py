# %% [markdown]
"""# One block through XLA's TPU compiler

The compiler that Google's TPUs use runs on any machine, and shows all that it makes: the program as JAX hands it over
(StableHLO), as XLA schedules it (HLO), and what a core issues: **bundles**, VLIW instructions with a slot for each
unit. This lab follows one block down, and reads what most guess: the unit, the copies, the exchange between chips.

Axes: T tokens, S cached positions, C model width, F feed-forward width, N heads, K of them with keys and values of
their own, D wide. All is bfloat16, 2 bytes a number. MXU is the matrix unit, VALU the vector unit, VMEM the memory on
the chip. v4 has 1228 GB/s of HBM, v5e 819, v5p 2765, v6e 1638. `oneblock explain MXU` says what one is, and
docs/glossary.md has a picture of the core (pictures/tpu.svg).
"""

# %% tags=["shape"]
SHAPE = {"preset": "gpt2", "chip": "v5e", "chip2": "v6e", "T": 64, "S": 512, "preset2": "llama-1b", "mesh": "v5e:2x4"}

# %% [markdown]
"""## Predict

A decode has one token of one sequence: its products are (1, C) x (C, F), and read every weight once. Between the text
that JAX writes and the bundles stand about a hundred passes: which text is the first that knows its chip?

Tensor-parallel over n chips, a chip has some heads of attention and some columns of the MLP's first weights, and as
many rows of its last; x and y are whole on each. Fill in [predict] of answers.toml. Then

    oneblock lab predict 14
    oneblock lab run 14

## See

The run compiles four programs for TPUs that need not be here (compiled), the first two down to bundles, which are
simulated. artifact.json has of each

* `texts`: a hash of each text;
* `mlp_kernel`: the largest kernel of the MLP, the one of most bundles, and of each unit the share of its slots that is
  filled; `mxu`: the largest such share of the MXU in any kernel of the MLP;
* `estimates`: three of the compiler's own. `xla` takes FLOPs and bytes of each operation, VMEM counted as HBM; `hlo`
  its scheduler's cycles; `llo` the greater of two times, the simulated cycles of the bundles and the bytes of HBM. Only
  the first two programs are simulated: the others have no `llo`, nor has one whose simulation ended the compiler, and
  `oneblock show` says why;
* `hbm_bytes`: what the compiled program moves to and from HBM. Beside `xla_tpu`, `costs` has of decode and prefill
  the `compulsory_bytes`: every input and weight read once, every output written once;
* `ahead`: weights that are copied into VMEM before a call needs them, with the reason;
* `collectives`: what chips exchange.

The run prints a line for each that lists its texts; add `--stage NAME` for one. A target of several chips, such as
tpu:v5p:2x2x1, is one on which one chip computes, unless @tp and a number behind it divide the block over so many.
`--bytes` lists what crosses HBM, `--stage hlo` is the schedule: `S(1)` is VMEM, `copy-start` a copy ahead, `op_name`
the step. Of the bundles `--stage bundles:NAME` is one a line. Fill in [observe], [explain], and [apply], which is of a
chip and a ring that the run did not have.

## Make

An MLP is gelu(x @ up) @ down, with up (C, F) and down (F, C); x comes whole to every chip, and y leaves whole. `split`
below says for each axis of `up` and of `down` whether it is cut over the chips, or None. No weight may lie whole on a
chip, and the compiled program may exchange one array, once. Below it gathers. Then

    oneblock lab check 14

`oneblock lab notebooks 14 --in DIR` writes this lab as a notebook. That of the repository,
`labs/notebooks/xla_tpu.ipynb`, has the same block, in a browser and on a Colab TPU.
"""


# %% tags=["make"]
def split():
    """The axes of up (C, F), and of down (F, C)."""
    return (None, "chips"), (None, "chips")


# %% tags=["solution"]
def split():  # noqa: F811
    """Columns of the first and rows of the second: each chip has a part of the sum."""
    return (None, "chips"), ("chips", None)


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: by the formulas of the text, and off the artifact."""
    C, ND, KD, F = shape["C"], shape["N"] * shape["D"], shape["K"] * shape["D"], shape["F"]
    weights = C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * F
    bandwidth = {"v4": 1228, "v5e": 819, "v5p": 2765, "v6e": 1638}
    answers = {
        "other_us": 2 * (weights + 2 * shape["S"] * KD) / bandwidth[shape["chip2"]] / 1e3,
        "ring_kib": 2 * (shape["n3"] - 1) / shape["n3"] * shape["T3"] * shape["C3"] * 2 / 1024,
    }
    if (tpu := artifact.get("xla_tpu")) is not None:
        decode, prefill = tpu["decode"], tpu["prefill"]
        units = {name: share for name, share in decode["mlp_kernel"]["slots"].items() if ":" not in name}
        busiest = max(units, key=units.get)
        times = [seconds for seconds in decode["estimates"].values() if seconds]
        reasons = " ".join(one["reason"] for one in prefill["ahead"])
        in_hbm = decode["hbm_bytes"] / bandwidth[shape["chip"]] / 1e9
        answers |= {
            "unit": busiest,
            "differs": next(text for text, digest in decode["texts"].items() if tpu["other"]["texts"][text] != digest),
            "exchanges": 2,
            "exchange_kib": shape["T2"] * shape["C2"] * 2 / 1024,
            "mxu_percent": 100 * prefill["mlp_kernel"]["slots"]["MXU"],
            "first_mb": sum(one["bytes"] for one in prefill["ahead"] if one["first_call_only"]) / 1e6,
            "spread": max(times) / min(times),
            "why_unit": "there" if busiest == "MXU" else "one_row",
            "why_first": "stays" if "stays" in reasons else "next" if "for the next call" in reasons else "none",
            "bound": "hbm" if in_hbm >= 0.99 * artifact.get("llo", 0) else "cycles",
        }
    return answers
