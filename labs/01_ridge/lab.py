# %% [markdown]
"""# Where is the ridge? The roofline of a block

A chip has two limits: FLOP/s of its matrix units, and bytes/s of its memory. Work with fewer FLOPs for a byte than
their quotient, the **ridge**, waits for memory, whatever the peak. A prefill reads a weight once for all its T tokens;
a decode reads it for one. So the same block lies on either side of the ridge.

Axes: T tokens, S cached positions, C model width, N heads of width D, K of them with keys and values of their own,
F feed-forward width. All is bfloat16, with 2 bytes a number; a multiply-add is 2 FLOPs. Peaks of a
chip, by its maker's documents: v4 275 TFLOP/s and 1228 GB/s, v5e 197 and 819, v5p 459 and 2765, v6e 918 and 1638.
"""

# %% tags=["shape"]
SHAPE = {"preset": "gpt2", "chip": "v5e", "chip2": "v6e", "T": 128, "S": 512, "C": 768}

# %% [markdown]
"""## Predict

The products of a block have C(N + 2K)D + NDC weights in attention, and in the MLP 2CF, or 3CF where it is gated. The
program of a decode takes a cache of S positions, and writes the new token's in its place; that of a prefill takes x and
returns y. A query of a prefill sees itself and what is before it. Fill in [predict], then

    oneblock lab predict 1
    oneblock lab run 1

## See

The run counts FLOPs and compulsory bytes by formula (modelled), and compiles the decode with XLA's compiler for the
chip, which needs no TPU (compiled). The record is in records/ beside this file:

    oneblock show --bytes -o labs-of-mine/01_ridge/records decode     every array that crosses HBM, with a reason
    oneblock show -o labs-of-mine/01_ridge/records decode             estimates beside the roofline

Fill in [observe], [explain], and [apply], which asks for another chip and another format. Then

    oneblock lab check 1
"""


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: by the formulas of the text, and off the record."""
    peaks = {"v4": (275, 1228), "v5e": (197, 819), "v5p": (459, 2765), "v6e": (918, 1638)}
    ridge = {chip: 1000 * flops / read for chip, (flops, read) in peaks.items()}
    C, ND, KD, F, T, S = (
        shape["C"],
        shape["N"] * shape["D"],
        shape["K"] * shape["D"],
        shape["F"],
        shape["T"],
        shape["S"],
    )
    weights = C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * F

    def intensity(tokens):
        flops = 2 * weights * tokens + 4 * ND * tokens * tokens / 2
        return flops / (2 * (weights + 2 * C * tokens))

    answers = {
        "ridge": ridge[shape["chip"]],
        "decode_mb": 2 * (weights + 2 * S * KD) / 1e6,
        "prefill_bound": "compute" if intensity(T) >= ridge[shape["chip"]] else "memory",
        "mostly": "weights" if weights > 2 * S * KD else "cache",
        "tokens": next(tokens for tokens in range(1, 1 << 14) if intensity(tokens) >= ridge[shape["chip2"]]),
        "int8_tokens": int(-(-ridge[shape["chip2"]] // 2)),
    }
    if (compiled := artifact.get("xla_tpu")) is not None:
        traffic = {step["step"]: step["hbm_bytes"] for step in compiled["steps"] if step["step"]}
        arrays = [one for one in compiled["traffic"]["transfers"] if one["array"] in ("k_cache", "v_cache")]
        written = sum(one["bytes"] for one in arrays if one["direction"] == "written")
        answers |= {
            "decode_hbm_mb": compiled["hbm_bytes"] / 1e6,
            "busiest_step": max(traffic, key=traffic.get),
            "cache_written": "token" if written < 4 * S * KD / 2 else "whole",
        }
    return answers
