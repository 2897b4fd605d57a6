"""Compiles attention twice for two TPUs: OUT H S D; or tries a learner's `attention` in NumPy: OUT FILE."""

from __future__ import annotations

import json
import runpy
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers.chips.topology import topology

CHIPS = ("v5e", "v5p")
LENGTH, WIDTH = 1024, 32  # S and D of what a learner's is tried on
LARGE = 15.0  # what q and k are multiplied by: exp of the scores is then more than float64 has
MOST = 1e-9


def main(out: str, *words: str) -> None:
    """Write what is told as JSON."""
    told = _tried(words[0]) if len(words) == 1 else _compiled(*map(int, words))
    Path(out).write_text(json.dumps(told), encoding="utf-8")


def _compiled(H: int, S: int, D: int) -> dict[str, Any]:
    """Of the plain program and of JAX's Pallas kernel, on each chip: temporaries in HBM, and FLOPs."""
    try:
        backends.ours("xla_tpu").probe(Target.parse(f"tpu:{CHIPS[0]}"))
    except Unavailable as error:
        return {"absent": {"xla_tpu": f"{error}; {error.hint}"}}
    texts: dict[str, str] = {}
    return {"absent": {}, "xla_tpu": {chip: _on(chip, H, S, D, texts) for chip in CHIPS}, "hlo": texts}


def _on(chip: str, H: int, S: int, D: int, texts: dict[str, str]) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    from jax.experimental.pallas.ops.tpu.flash_attention import flash_attention

    from oneblock.compilers.xla.tpu import devices

    def plain(q: Any, k: Any, v: Any) -> Any:
        scores = jnp.einsum("bhtd,bhsd->bhts", q, k, preferred_element_type=jnp.float32) * D**-0.5
        return jnp.einsum("bhts,bhsd->bhtd", jax.nn.softmax(scores, -1).astype(q.dtype), v)

    def flash(q: Any, k: Any, v: Any) -> Any:
        return flash_attention(q, k, v, sm_scale=D**-0.5)

    place = jax.sharding.SingleDeviceSharding(devices(topology(chip, None))[0])
    each = jax.ShapeDtypeStruct((1, H, S, D), jnp.bfloat16, sharding=place)
    told = {}
    for function in (plain, flash):
        compiled = jax.jit(function).lower(each, each, each).compile()
        texts[f"{chip}-{function.__name__}"] = compiled.as_text() or ""
        told[function.__name__] = {
            "temp_bytes": int(compiled.memory_analysis().temp_size_in_bytes),
            "flops": float(compiled.cost_analysis()["flops"]),
        }
    return told


def _tried(path: str) -> dict[str, Any]:
    """Whether a learner's answer is right, finite, and how much memory it took at the most beside its arrays."""
    function = runpy.run_path(path)["attention"]
    rng = np.random.default_rng(LENGTH)
    q, k, v = (rng.standard_normal((LENGTH, WIDTH)) for _ in range(3))
    q, k = LARGE * q, LARGE * k
    scores = q @ k.T * WIDTH**-0.5
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    exact = weights @ v / weights.sum(-1, keepdims=True)
    tracemalloc.start()
    with np.errstate(all="ignore"):
        answer = np.asarray(function(q, k, v))
    _, peak = tracemalloc.get_traced_memory()
    finite = bool(np.isfinite(answer).all())
    right = answer.shape == exact.shape and finite and np.abs(answer - exact).max() <= MOST * np.abs(exact).max()
    return {"right": bool(right), "finite": finite, "peak_bytes": int(peak), "scores_bytes": scores.nbytes}


if __name__ == "__main__":
    main(*sys.argv[1:])
