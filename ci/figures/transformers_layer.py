"""One layer against Hugging Face's own: block of llama-1b, prefill, each backend's best ops set (target: ratio <= 1.0).

The other side is `transformers`' LlamaDecoderLayer with scaled-dot-product attention, our seeded weights loaded into it
and its answer checked against ours, in the same framework and in the same process: torch_eager against the layer as it
is, torch_inductor against the layer under torch.compile(fullgraph=True, dynamic=False). transformers 5 has no JAX
models, so jax_xla is held against the layer in eager PyTorch, for information. Calls of the two sides alternate in
pairs whose order is drawn from a seed, with flushed caches. A process gives the ratio of the two medians; the median of
several processes counts.
"""

from __future__ import annotations

import random
from statistics import median
from typing import Any

import numpy as np
from _figure import FLUSH_BYTES, Conditions, answer, ask, asked, compiling_backends, options, publish

from oneblock import backends, workloads
from oneblock.backends.api.host import HostCache
from oneblock.backends.api.target import Target
from oneblock.bench.worker.sampling import quiet, time_calls
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import preset

OTHER = {"torch_eager": "eager", "torch_inductor": "compiled"}
AGREE = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 4e-3}  # relative L2 between two honest answers


def child(backend_name: str, tokens: int, dtype: str, pairs: int, seed: int) -> dict[str, Any]:
    """Seconds of both sides in this process, and how far their answers are apart."""
    from _peers import Transformers

    case, workload = Case("block", preset("llama-1b"), Phase.PREFILL, 1, tokens, tokens), workloads.load("block")
    arrays = make_weights(workload, case, dtype, 0) | make_inputs(workload, case, dtype, 1)
    backend = backends.load(backend_name)
    ours = backend.compile(workload, case, arrays, [*backend.ops_sets][-1], Target("cpu")).executable
    assert ours is not None
    sides: dict[str, tuple[Any, dict[str, Any]]] = {"ours": (ours, ours.put(arrays))}
    layer = Transformers(case.config, case.phase, arrays, compiled=OTHER.get(backend_name) == "compiled")
    sides["theirs"] = layer, {}
    outs = {side: [time_calls(*run)[1] for _ in range(3)][-1] for side, run in sides.items()}  # and warm up
    mine, theirs = (np.asarray(x, np.float64) for x in (ours.get(outs["ours"])["y"], layer.answer(outs["theirs"])))
    apart = float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs))
    if not apart <= AGREE[dtype]:
        raise ValueError(f"{backend_name} and Hugging Face's layer disagree: relative L2 is {apart:.2g}")
    cache, order, seconds = HostCache(), random.Random(seed), {side: list[float]() for side in sides}
    with quiet():
        for _ in range(pairs):
            for side in order.sample(list(sides), len(sides)):
                cache.flush(FLUSH_BYTES)
                seconds[side].append(time_calls(*sides[side])[0])
    ratio = median(seconds["ours"]) / median(seconds["theirs"])
    return {
        "backend": backend_name,
        "ops_set": [*backend.ops_sets][-1],
        "ratio": ratio,
        "apart": apart,
        "seconds": seconds,
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--dtype", default="float32", choices=sorted(AGREE))
    parser.add_argument("--processes", type=int, default=5, help="of each backend (default: 5)")
    parser.add_argument("--pairs", type=int, default=10, help="calls of each side in a process (default: 10)")
    args = parser.parse_args()
    conditions, names = Conditions(), compiling_backends()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(args.processes):
        for name in random.Random(seed).sample(names, len(names)):
            question = {"backend_name": name, "tokens": args.tokens, "dtype": args.dtype}
            found[name].append(ask(__file__, question | {"pairs": args.pairs, "seed": seed}))
    for name, runs in found.items():
        ms = [1e3 * median(s for run in runs for s in run["seconds"][side]) for side in ("ours", "theirs")]
        each = " ".join(f"{run['ratio']:.3f}" for run in runs)
        against = OTHER.get(name, "eager PyTorch, no JAX models in transformers 5: for information")
        print(
            f"{name} {runs[0]['ops_set']} {ms[0]:.1f} ms, Hugging Face ({against}) {ms[1]:.1f} ms: ratio "
            f"{median(run['ratio'] for run in runs):.3f} (by process: {each}; apart {runs[0]['apart']:.1e})"
        )
    met = all(median(run["ratio"] for run in found[name]) <= 1.0 for name in OTHER if name in found)
    said = "ours / Hugging Face's in the same framework <= 1.0"
    publish("transformers_layer", said, met, vars(args) | {"json": None, "runs": found}, conditions, args.json)


if __name__ == "__main__":
    question = asked()
    if question is None:
        main()
    else:
        answer(child(**question))
