"""TVM's schedules against none and against Inductor: block of gpt2, prefill, float32, one thread (>= 20x and >= 1.0x).

Each process compiles all sides, checks their answers against one reference, and calls them in turn, in an order drawn
from a seed, with flushed caches; untuned three times, as it takes seconds. A process gives the ratio of the two
medians; the median of several processes counts. The schedules are the best that `oneblock tune` kept here, else those
that come along.
"""

from __future__ import annotations

import os
import random
from statistics import median
from typing import Any

from _figure import FLUSH_BYTES, Conditions, answer, ask, asked, options, publish

from oneblock import backends, workloads
from oneblock.backends.api.target import Target
from oneblock.bench.worker.sampling import quiet, time_calls
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.models import PRESETS

TUNED = "tvm_relax tuned"
SIDES = (TUNED, "tvm_relax plain", "torch_inductor plain", "torch_inductor native")


def child(tokens: int, rounds: int, seed: int) -> dict[str, Any]:
    """Seconds of each side in this process, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    os.environ |= {"TVM_NUM_THREADS": "1", "TVM_BIND_THREADS": "0"}
    import torch

    torch.set_num_threads(1)
    case, workload = Case("block", PRESETS["gpt2"], Phase.PREFILL, 1, tokens, tokens), workloads.load("block")
    weights, inputs = make_weights(workload, case, "float32", 0), make_inputs(workload, case, "float32", 1)
    expected, made = make_reference(workload, case, "float32", weights, 1, 2), {}
    for side in SIDES:
        name, ops_set = side.split()
        arrays = weights | inputs
        executable = backends.load(name).compile(workload, case, arrays, ops_set, Target("cpu")).executable
        assert executable is not None
        made[side] = executable, executable.put(arrays)
        verdict = expected.check(executable.get(time_calls(*made[side])[1]), 0)
        if not verdict.passed:
            raise ValueError(f"{side}: {verdict.why}")
    order, seconds = random.Random(seed), {side: list[float]() for side in SIDES}
    with quiet():
        for number in range(rounds):
            for side in order.sample(SIDES, len(SIDES)):
                if side == "tvm_relax plain" and number >= 3:
                    continue
                made[side][0].flush(FLUSH_BYTES)
                seconds[side].append(time_calls(*made[side])[0])
    return {"seconds": seconds, "load_average": os.getloadavg()[0]}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20, help="calls of each side in a process (default: 20)")
    args, conditions = parser.parse_args(), Conditions()
    runs = [
        ask(__file__, {"tokens": args.tokens, "rounds": args.rounds, "seed": seed}) for seed in range(args.processes)
    ]
    ratios = {}
    for side in SIDES:
        took = [median(run["seconds"][side]) for run in runs]
        each = [other / own for other, own in zip(took, (median(run["seconds"][TUNED]) for run in runs), strict=True)]
        ratios[side] = median(each)
        listed = " ".join(f"{ratio:.3g}" for ratio in each)
        print(
            f"{side} {1e3 * median(took):.1f} ms (measured), {ratios[side]:.3g}x the tuned time (by process: {listed})"
        )
    met = ratios["tvm_relax plain"] >= 20 and min(ratios["torch_inductor plain"], ratios["torch_inductor native"]) >= 1
    said = "untuned / tuned >= 20 and the faster of Inductor's / tuned >= 1.0, gpt2 prefill in float32 on one thread"
    publish("tuned", said, met, vars(args) | {"json": None, "runs": runs}, conditions, args.json)


if __name__ == "__main__":
    question = asked()
    if question is None:
        main()
    else:
        answer(child(**question))
