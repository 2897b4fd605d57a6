# %% [markdown]
"""# Why FlashAttention exists, by buffer assignment

softmax(q k^T / sqrt(D)) v has S*S scores for every head, and an answer of S*D numbers. No compiler fuses the two
products around the softmax, so that the plain program keeps its scores somewhere. XLA's buffer assignment says where,
for a TPU that is not here: `temp_bytes` are temporaries in HBM, and VMEM is not among them. FlashAttention (Dao et al.
2022) goes over the keys by blocks with a running maximum (Milakov and Gimelshein 2018); it has no scores but a block's.

Two programs in bfloat16, H heads, T = S, D = 128, without a mask: `plain`, and `flash`, JAX's Pallas kernel.
"""

# %% tags=["shape"]
SHAPE = {"H": 8, "S": 1024, "D": 128, "H2": 11, "S2": 24576}

# %% [markdown]
"""## Predict

Fill in [predict] of answers.toml. Then

    oneblock lab predict 3
    oneblock lab run 3

## See

artifact.json has `temp_bytes` and `flops` of both programs on v5e and v5p. hlo/ beside it has each one's HLO, where
the layout of an array says its memory space: `S(1)` is VMEM, and one without it lies in HBM. Look for the arrays of
all scores, (H, S, S), in `plain` of either chip. Then fill in [observe], [explain], [apply]. Of a whole block:

    oneblock run block --preset llama-1b --phase prefill -T 128 --dtype bfloat16 --backend xla_tpu --target tpu:v5e \
        --ops plain --stages brief -o records
    oneblock show --stage hlo --step attention -o records llama-1b-prefill-B1-T128-bfloat16-xla_tpu-plain

## Make

`attention` below is the plain program in NumPy: right, with all S*S scores at once. Write it by blocks of keys: for
each block the scores, the largest so far, and sums of exp(score - largest) with and without v. When the largest grows,
what was summed before has to be scaled. Scores may be in the thousands. It is graded by its answer, and by the most
memory that it takes beside q, k and v: less than half of the scores. Then

    oneblock lab check 3
"""

# %% tags=["kernel"]
import numpy as np


# %% tags=["make"]
def attention(q, k, v):
    """q (S, D), k (S, D), v (S, D) -> (S, D), in float64."""
    scores = q @ k.T * q.shape[1] ** -0.5
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights @ v / weights.sum(-1, keepdims=True)


# %% tags=["solution"]
def attention(q, k, v):  # noqa: F811
    """q (S, D), k (S, D), v (S, D) -> (S, D), by blocks of 64 keys."""
    S, D = q.shape
    largest, total, summed = np.full((S, 1), -np.inf), np.zeros((S, 1)), np.zeros((S, D))
    for first in range(0, S, 64):
        scores = q @ k[first : first + 64].T * D**-0.5
        now = np.maximum(largest, scores.max(-1, keepdims=True))
        weights, older = np.exp(scores - now), np.exp(largest - now)
        total = older * total + weights.sum(-1, keepdims=True)
        summed = older * summed + weights @ v[first : first + 64]
        largest = now
    return summed / total


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: sizes by formula, places off the artifact."""
    H, S, D, H2, S2 = (shape[axis] for axis in ("H", "S", "D", "H2", "S2"))
    answers = {
        "scores_mb": 4e-6 * H * S * S,
        "longest": int((128 * 2**20 / (4 * H2)) ** 0.5),
        "flash_least_mb": 2e-6 * 4 * H * S2 * D,
    }
    if (tpu := artifact.get("xla_tpu")) is not None:
        bytes_of = {chip: one["plain"]["temp_bytes"] for chip, one in tpu.items()}
        spilled = {chip: many > 2 * H * S * S for chip, many in bytes_of.items()}
        answers |= {
            "crosses": "yes" if spilled["v5e"] else "no",
            "plain_v5p_mb": bytes_of["v5p"] / 1e6,
            "flash_mb": tpu["v5p"]["flash"]["temp_bytes"] / 1e6,
            "why": "neither" if spilled["v5e"] == spilled["v5p"] else "space",
        }
    return answers
