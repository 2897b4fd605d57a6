"""A sparse attention's scores over a paged pool of keys, whose gather libtpu moves to the SparseCore: jax#40553.

oneblock releases --script ci/regressions/paged_gather.py --toolchain jax=0.11.1 \
    --toolchain libtpu=0.0.42.1..0.0.46.3 --bisect --of sparsecore

A program of our own of the shapes they tell, with the scatter before and the scores behind: one sequence's new key goes
into its page, 1,056 of a table of 2,048 pages are gathered from a pool of 76 MB, and their tokens are scored.
The second pool, of 13 MB, is the one that they found unaffected. Compiled for one device of a v7x; nothing runs.
"""

from __future__ import annotations

import json
import os

from oneblock.compilers.xla.tpu_env import compile_only

compile_only()
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402  after what libtpu reads once
import jax.numpy as jnp  # noqa: E402
from jax.experimental import topologies  # noqa: E402

PAGE, D, HEADS, TABLE, IN_USE = 128, 128, 32, 2048, 1056


def score(pool, table, key, slot, queries):
    """The pool with a token's key at its slot, and a score for each token of the pages in use: pool [P, PAGE, D]."""
    pool = pool.at[slot // PAGE, slot % PAGE].set(key)
    keys = pool[table[:IN_USE]].reshape(-1, D)
    return pool, jax.nn.relu(jnp.einsum("hd,td->ht", queries, keys).astype(jnp.float32)).sum(0)


def counts(topology: str, pages: int) -> dict[str, float]:
    """The computations that the compiler gave to the SparseCore, and the bytes of scratch."""
    device = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]
    sharding = jax.sharding.SingleDeviceSharding(device)

    def of(dtype, *shape):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    table, slot = of(jnp.int32, TABLE), of(jnp.int32, 1)
    pool, key, queries = (of(jnp.bfloat16, *shape) for shape in ((pages, PAGE, D), (1, D), (HEADS, D)))
    made = jax.jit(score, donate_argnums=0).lower(pool, table, key, slot, queries).compile()
    there = made.as_text().count('}, execution_thread="sparsecore"')  # at the end of each computation
    return {"sparsecore": there, "scratch": made.memory_analysis().temp_size_in_bytes}


if __name__ == "__main__":
    print(json.dumps({f"v7x pool of {pages} pages": counts("tpu7x:2x2x1", pages) for pages in (2332, 400)}))
