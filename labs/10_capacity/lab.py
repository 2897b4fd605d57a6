# %% [markdown]
"""# What fits? Memory and capacity of one chip

A program has room or it is refused: there is no slower third. What it holds is known before it runs, since XLA assigns
a buffer to each array when it compiles: arguments, results and temporaries (`temp_bytes`), of which those that never
live at once share bytes. So the largest batch of a chip is found on a machine without that chip.

A model keeps its weights, and for each sequence and layer the keys and values of S positions, for K heads of width D.
A decode writes one position. JAX's arrays do not change: an update returns another array. If the caller **donates** the
old one, the new array may have its buffer.
"""

# %% tags=["shape"]
SHAPE = {"preset": "llama-1b", "chip": "v5e", "chip2": "v6e", "L": 16, "N": 32, "K": 8, "D": 64, "S": 2048, "B": 2}

# %% [markdown]
"""## Predict

L layers, N heads that ask, K heads with keys and values, D wide; W bytes of weights. All is bfloat16, 2 bytes a number.
An MLP here is x + gelu(x @ up) @ down, x (T, C), up (C, F). Fill in [predict] of answers.toml. Then

    oneblock lab predict 10
    oneblock lab run 10

## See

artifact.json has of XLA's compiler for your chips

* `available_bytes`: the HBM that it names when it refuses a program that is too large for any;
* `kept` and `donated`: the update of one cache, by buffer assignment; `peak_bytes` is the most that is held at once. A
  result that took the buffer of an argument is in `alias_bytes`. `most_sequences` is a bisection over real refusals,
  each a compilation of a fraction of a second;
* `one_scratch` and `all_scratch`: `temp_bytes` of one MLP and of n, on v5p, which keeps in HBM what your chips may hold
  in VMEM.

Fill in [observe], [explain], [apply]. Of a whole model, with logits, scratch and what layouts pad, `--fit` gives the
sum, part by part. It compiles a block for each size that it tries, some 2 minutes for this one, then the cell that
fits, of which it keeps a record:

    oneblock run block --preset llama-1b --phase decode -S 4096 --dtype bfloat16 --backend xla_tpu --ops plain \
      --target tpu:v5e --fit batch

## Make

`place` below is given the buffers of a program as (bytes, first, last): the first operation that needs it, which writes
it, and the last, which still reads it. It returns an offset for each, in their order. Two that live at once may share
no byte. Below, none ever share one. Let those that live apart share: the peak has to stay within a tenth of the most
bytes that live at once. Going by size, the largest first, to the lowest gap that is free all its life, is near enough;
going in the order of the program leaves holes. Then

    oneblock lab check 10
"""


# %% tags=["make"]
def place(buffers):
    """(bytes, first, last) of each -> an offset for each: one behind the other."""
    offsets, end = [], 0
    for size, _first, _last in buffers:
        offsets.append(end)
        end += size
    return offsets


# %% tags=["solution"]
def place(buffers):  # noqa: F811
    """(bytes, first, last) of each -> an offset for each: the largest first, to the lowest gap."""
    offsets = {}
    for n in sorted(range(len(buffers)), key=lambda n: -buffers[n][0]):
        size, first, last = buffers[n]
        at = 0
        for low, high in sorted((offsets[i], offsets[i] + buffers[i][0]) for i in offsets
                                if buffers[i][1] <= last and first <= buffers[i][2]):  # fmt: skip
            if at + size <= low:
                break
            at = max(at, high)
        offsets[n] = at
    return [offsets[n] for n in range(len(buffers))]


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: sums by formula, memory off the artifact."""
    position = 2 * shape["L"] * shape["K"] * shape["D"] * 2
    answers = {"position_kib": position / 1024}
    if (tpu := artifact.get("xla_tpu")) is not None:
        has = tpu["available_bytes"][shape["chip2"]]
        large = 2e9 * shape["P3"] + 2 * shape["L3"] * shape["K3"] * shape["D3"] * 2 * shape["B3"] * shape["S3"]
        answers |= {
            "kept_mib": 2 * shape["B"] * shape["K"] * shape["S"] * shape["D"] * 2 / 2**20,
            "scratch_mb": shape["T"] * shape["F"] * 2 / 1e6,
            "available_gib": has / 2**30,
            "saved_mib": (tpu["kept"]["peak_bytes"] - tpu["donated"]["peak_bytes"]) / 2**20,
            "most_sequences": tpu["donated"]["most_sequences"],
            "why_twice": "result",
            "why_scratch": "reused",
            "sequences": (has - shape["W"]) // (position * shape["S2"]),
            "int8_context": (has - shape["W"]) // (shape["B2"] * position // 2),
            "chips": int(-(-large // has)),
        }
    return answers
