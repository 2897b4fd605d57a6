# %% [markdown]
"""# What did the compiler fuse?

A kernel that adds two arrays waits for memory. A compiler joins such operations into one **fusion**, which reads its
inputs once, holds what is between in registers, and writes its result. Where a fusion has to end decides how many bytes
cross memory. The programs of this lab take x (T, C) and w (C,) in float32:

* `chain`: act(norm(x) * w) * x, where norm divides a row by the root of its mean square, and the layer norm first
  subtracts the row's mean;
* `no_norm`: act(x * w) * x;
* `barrier`: the chain with `jax.lax.optimization_barrier` behind the norm, which asks XLA to keep what is before it
  apart from what is behind it;
* `returned`: the chain, and norm(x) * w as a second result.

XLA compiles them for the CPU, and for a TPU that is not here. All is compiled; nothing is run or timed.
"""

# %% tags=["shape"]
SHAPE = {"T": 256, "C": 512, "norm": "rms", "activation": "silu", "chip": "v5e", "T2": 768, "C2": 640}

# %% [markdown]
"""## Predict

Fill in [predict] of answers.toml. Then

    oneblock lab predict 2
    oneblock lab run 2

## See

artifact.json has for both compilers and each program the number of fusions, how many arrays of the size of x they
write, and bytes of temporaries; hlo/ beside it has what XLA made of each. To see the fusions of a whole block instead:

    oneblock run block --phase prefill --backend jax_xla --ops plain --stages brief -o records
    oneblock show --stage hlo -o records prefill-B1-T128-float32-jax_xla-plain

and `oneblock bisect block --backend jax_xla --of fusions` finds the pass that makes them.

## Make

`layer_norm` below is right. XLA:CPU writes x less its mean as an array of its own: the second sum reads it, whose
fusion (`__ynn_fusion`, of a library) takes in the square and not the subtraction. The last fusion subtracts again.

    print(jax.jit(layer_norm).lower(x, w).compile().as_text())

shows it, for any x (T, C) and w (C,) in float32. Rewrite it so that the result is the only array (T, C) that a fusion
writes. It is held against float64, within 1e-4 of the largest element, for x drawn from a standard normal distribution:
a rewrite that is as good there may lose digits where a mean is large beside the deviation. Then

    oneblock lab check 2
"""

# %% tags=["kernel"]
import jax
import jax.numpy as jnp


# %% tags=["make"]
def layer_norm(x, w):
    """x (T, C), w (C,) -> (T, C): LayerNorm of each row, as it is defined."""
    centred = x - jnp.mean(x, -1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred * centred, -1, keepdims=True) + 1e-5) * w


# %% tags=["solution"]
def layer_norm(x, w):  # noqa: F811
    """x (T, C), w (C,) -> (T, C): both sums of x itself. It loses digits where a mean is large beside its deviation."""
    mean = jnp.mean(x, -1, keepdims=True)
    variance = jnp.mean(x * x, -1, keepdims=True) - mean * mean
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * w


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: off the artifact, and by counting passes."""
    answers = {"saved_mb": 10 * 4 * shape["T2"] * shape["C2"] / 1e6}
    if (cpu := artifact.get("jax_xla")) is not None:
        answers |= {
            "chain_cpu": cpu["chain"]["fusions"],
            "barrier_cpu": cpu["barrier"]["fusions"] - cpu["chain"]["fusions"],
            "returned_cpu": cpu["returned"]["fusions"] - cpu["chain"]["fusions"],
            "temp_bytes": 4 * shape["T"] * (2 if shape["norm"] == "layer" else 1),
            "why_parts": "reduction",
        }
    if (tpu := artifact.get("xla_tpu")) is not None:
        answers |= {
            "barrier_tpu": tpu["barrier"]["fusions"] - tpu["chain"]["fusions"],
            "returned_tpu": tpu["returned"]["fusions"] - tpu["chain"]["fusions"],
            "what_it_costs": "array",
        }
    return answers
