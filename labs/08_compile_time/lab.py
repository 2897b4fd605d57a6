# %% [markdown]
"""# Compile time, caches and dynamic shapes

A compiler that knows every shape makes better programs, and makes one for each shape. A server sees a new length with
almost every request. This lab counts what that costs: programs compiled, found in memory, found on disk, and the
positions that padding adds. Nothing is timed: a count is the same on every machine.

`jax.jit` keeps one program for each key: the function object, shape and dtype of each array (a Python number has a weak
dtype of its own), and the value of each static argument. A **trace** runs the Python function once with symbols for
its arrays; the traced program is **lowered** to a text, and XLA **compiles** that. `torch.compile` makes a graph with
guards in place of a key: a call whose guards hold uses it, another one makes one more.
"""

# %% tags=["shape"]
SHAPE = {"C": 32, "today": [5, 9, 5, 40], "tomorrow": [5, 7, 40], "most": 3, "worth": 50, "pair": 0}

# %% [markdown]
"""## Predict

The requests of two days are above. Fill in [predict] of answers.toml. Then

    oneblock lab predict 8
    oneblock lab run 8

## See

artifact.json has, for JAX, `traces`, `compiled`, `from_disk` and `padded` of each way to serve today's requests:
`exact`, each at its own T; `powers`, padded to powers of two; `symbolic`, exported once for any T and called with what
`powers` is called with; `again`, two calls of f(x, scale, times) with x of one shape and `times` static, a `pair` that
SHAPE numbers, with what JAX saw `before` and `after`: the types of x and scale, the function, and `times` as `static`.
`today` and `tomorrow` are two processes, each request at its own T, that share a cache on disk. For PyTorch it has the
graphs of `default` and of `fixed` (dynamic=False), and under `eager` the calls that no graph served. Why a call
compiles again, both say of any script:

    JAX_EXPLAIN_CACHE_MISSES=1 python my_script.py
    TORCH_LOGS=recompiles python my_script.py

Fill in [observe], [explain] and [apply].

## Make

Below, `buckets` gives the lengths that requests are padded to, `most` of them at the most, and `attention` gets such a
padded request, of which `length` rows count. It is one program for all lengths of a bucket, so `length` is data: no
Python `if` or slice can use it. It starts with powers of two, which may be too many, and without a mask, so that
padding (rows of 3.0) takes its part in every softmax. Make it right, with `most` programs, and with as few padded
positions as `most` lengths allow. Then

    oneblock lab check 8
"""

# %% tags=["kernel"]
import jax
import jax.numpy as jnp


# %% tags=["make"]
def buckets(lengths, most):
    """The lengths that requests of these lengths are padded to, at most so many."""
    return sorted({max(16, 1 << (length - 1).bit_length()) for length in lengths})


def attention(x, length):
    """softmax(x x^T / sqrt(C)) x of the first `length` rows of x (T, C); what the other rows give is not looked at."""
    scores = x @ x.T * x.shape[1] ** -0.5
    return jax.nn.softmax(scores, -1) @ x


# %% tags=["solution"]
def buckets(lengths, most):  # noqa: F811
    """Which of the lengths themselves to pad to: all choices are tried; the longest is always one."""
    from itertools import combinations

    *shorter, longest = sorted(set(lengths))

    def added(chosen):
        return sum(min(size for size in (*chosen, longest) if size >= length) - length for length in lengths)

    return [*min(combinations(shorter, min(most - 1, len(shorter))), key=added), longest]


def attention(x, length):  # noqa: F811
    """A key that is no request's has a score of minus infinity, and so no weight."""
    scores = x @ x.T * x.shape[1] ** -0.5
    inside = jnp.arange(x.shape[0]) < length
    return jax.nn.softmax(jnp.where(inside[None, :], scores, -jnp.inf), -1) @ x


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: padding by trying all buckets, counts off the artifact."""
    from itertools import combinations

    def least(lengths, many):
        *shorter, longest = sorted(set(lengths))
        return min(
            sum(min(size for size in (*chosen, longest) if size >= length) - length for length in lengths)
            for chosen in combinations(shorter, many - 1)
        )

    tomorrow = shape["tomorrow"]
    costs = {many: least(tomorrow, many) + many * shape["worth"] for many in range(1, len(set(tomorrow)) + 1)}
    answers = {
        "powers_padded": sum(max(16, 1 << (length - 1).bit_length()) - length for length in shape["today"]),
        "best_padded": least(tomorrow, shape["most"]),
        "how_many": min(costs, key=costs.get),
    }
    if (jax_ := artifact.get("jax_xla")) is not None:
        before, after = (jax_["again"][call] for call in ("before", "after"))
        words = {"types": "type", "function": "function", "static": "value"}
        answers |= {
            "exact_compiled": len(set(shape["today"])),
            "powers_compiled": len({max(16, 1 << (length - 1).bit_length()) for length in shape["today"]}),
            "tomorrow_traces": jax_["tomorrow"]["traces"],
            "tomorrow_compiled": jax_["tomorrow"]["compiled"],
            "symbolic_compiled": jax_["symbolic"]["compiled"],
            "why_again": next(word for name, word in words.items() if before[name] != after[name]),
        }
    if (torch := artifact.get("torch_eager")) is not None:
        many = len(set(shape["today"]))
        answers |= {
            "torch_graphs": 3 if 1 in shape["today"][1:] else 2,
            "fixed_graphs": torch["fixed"]["graphs"],
            "what_limits": "each" if torch["fixed"]["graphs"] == many else "limit",
        }
    return answers
