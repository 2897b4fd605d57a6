"""A block with naive attention, keys repeated for each query head, compiled for TPUs by whatever libtpu is loaded.

oneblock releases --script ci/regressions/naive_attention.py --toolchain libtpu=0.0.42.1..0.0.52 --bisect --of scratch

Of the size of llama-1b: a prefill of 2,048 tokens and a decode of 8 sequences over as many positions, in bfloat16.
"""

from __future__ import annotations

import json
import os
import re

from oneblock.compilers.xla.tpu_env import compile_only

compile_only()
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402  after what libtpu reads once
import jax.numpy as jnp  # noqa: E402
from jax.experimental import topologies  # noqa: E402

D, F, H, K, HEAD = 2048, 8192, 32, 8, 64


def block(x, w, k_cache, v_cache):
    """One layer, as a first draft of it is written."""

    def norm(y, g):
        return (y * jax.lax.rsqrt(jnp.mean(y.astype(jnp.float32) ** 2, -1, keepdims=True) + 1e-5).astype(y.dtype)) * g

    B, T, _ = x.shape
    h = norm(x, w["g1"])
    q = (h @ w["q"]).reshape(B, T, H, HEAD)
    k = jnp.concatenate([k_cache, (h @ w["k"]).reshape(B, T, K, HEAD)], 1)
    v = jnp.concatenate([v_cache, (h @ w["v"]).reshape(B, T, K, HEAD)], 1)
    k, v = jnp.repeat(k, H // K, 2), jnp.repeat(v, H // K, 2)
    scores = jnp.einsum("bthd,bshd->bhts", q, k).astype(jnp.float32) / 8
    S = k.shape[1]
    scores = jnp.where(jnp.arange(S)[None, :] <= jnp.arange(T)[:, None] + S - T, scores, -1e30)
    a = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores, -1).astype(x.dtype), v).reshape(B, T, H * HEAD)
    x = x + a @ w["o"]
    h = norm(x, w["g2"])
    return x + (jax.nn.silu(h @ w["a"]) * (h @ w["b"])) @ w["c"]


def counts(topology: str, B: int, T: int, S: int) -> dict[str, float]:
    """What the compiler made of it for one chip of a topology."""
    device = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]
    sharding = jax.sharding.SingleDeviceSharding(device)

    def of(*shape):
        return jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=sharding)

    w = {"g1": of(D), "g2": of(D), "q": of(D, H * HEAD), "k": of(D, K * HEAD), "v": of(D, K * HEAD)}
    w |= {"o": of(H * HEAD, D), "a": of(D, F), "b": of(D, F), "c": of(F, D)}
    cache = of(B, S, K, HEAD)
    made = jax.jit(block).lower(of(B, T, D), w, cache, cache).compile()
    text = made.as_text()
    cycles = sum(int(one) for one in re.findall(r'"?estimated_cycles"?:"?(\d+)', text))
    scratch = made.memory_analysis().temp_size_in_bytes
    return {"scratch": scratch, "fusions": len(re.findall(r"= \S+ fusion\(", text)), "cycles": cycles}


if __name__ == "__main__":
    sizes = {"prefill T 2048": (1, 2048, 0), "decode B 8 S 2048": (8, 1, 2047)}
    print(json.dumps({f"v5e {name}": counts("v5e:2x2", *size) for name, size in sizes.items()}))
