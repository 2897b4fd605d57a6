"""How much of the memory's read rate decode reaches: block of llama-1b, one token, S=512, bfloat16 (no fixed target).

Decoding reads every weight once for one token, so the time is that of reading. For each backend's best ops set: the
achieved rate is the compulsory bytes (`_costs.costs`: every array in once, every output out once) by the median cold
call, and it is held against `_ceilings.host_read_bytes_per_s`, measured in the same process before and after each batch
of calls, since the rate of a shared machine changes by the minute. Several processes of each backend, in turns; the
median counts and every value is kept.
"""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import median
from typing import Any

from _figure import FLUSH_BYTES, Conditions, answer, ask, asked, compiling_backends, options, publish

from oneblock import backends, workloads
from oneblock.backends.api.target import Target
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.environment import default_threads
from oneblock.bench.worker.ceilings import host_read_bytes_per_s
from oneblock.bench.worker.sampling import quiet, time_calls
from oneblock.bench.worker.surroundings import Surroundings
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import preset

WARMUPS = 10


def child(backend_name: str, config: str, S: int, dtype: str, batches: int, calls: int) -> dict[str, Any]:
    """Read rate and cold calls, in turns, in this process."""
    case, workload = Case("block", preset(config), Phase.DECODE, 1, 1, S), workloads.load("block")
    arrays = make_weights(workload, case, dtype, 0) | make_inputs(workload, case, dtype, 1)
    backend = backends.load(backend_name)
    ops_set = [*backend.ops_sets][-1]
    executable = backend.compile(workload, case, arrays, ops_set, Target("cpu")).executable
    assert executable is not None
    args = executable.put(arrays)
    for _ in range(WARMUPS):
        time_calls(executable, args)
    machine = Surroundings(None)
    reads, cold_s = [host_read_bytes_per_s(default_threads(), machine)], []
    with quiet():
        for _ in range(batches):
            batch = []
            for _ in range(calls):
                executable.flush(FLUSH_BYTES)
                batch.append(time_calls(executable, args)[0])
            cold_s.append(batch)
            reads.append(host_read_bytes_per_s(default_threads(), machine))
    nbytes = costs(case, dtype).compulsory_bytes
    rates = [nbytes / median(batch) for batch in cold_s]
    around = [(before + after) / 2 for before, after in pairwise(reads)]
    fraction = median(rate / read for rate, read in zip(rates, around, strict=True))
    rate = {"bytes_per_s": median(rates), "read_bytes_per_s": median(around), "fraction": fraction}
    raw = {"compulsory_bytes": nbytes, "reads_bytes_per_s": reads, "cold_s": cold_s}
    return {"backend": backend_name, "ops_set": ops_set, **rate, **raw}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--config", default="llama-1b")
    parser.add_argument("--keys", type=int, default=512, help="positions in the cache, S (default: 512)")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--processes", type=int, default=5, help="of each backend (default: 5)")
    parser.add_argument("--batches", type=int, default=5, help="of calls between read rates (default: 5)")
    parser.add_argument("--calls", type=int, default=20, help="of a batch (default: 20)")
    args = parser.parse_args()
    conditions, names = Conditions(), compiling_backends()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(args.processes):
        for name in random.Random(turn).sample(names, len(names)):
            question = {"backend_name": name, "config": args.config, "S": args.keys, "dtype": args.dtype}
            found[name].append(ask(__file__, question | {"batches": args.batches, "calls": args.calls}))
    for name, runs in found.items():
        middle = {key: median(run[key] for run in runs) for key in ("bytes_per_s", "read_bytes_per_s", "fraction")}
        each = " ".join(f"{run['fraction']:.1%}" for run in runs)
        print(
            f"{name} {runs[0]['ops_set']}: {middle['bytes_per_s'] / 1e9:.2f} GB/s of "
            f"{middle['read_bytes_per_s'] / 1e9:.2f} = {middle['fraction']:.1%} (by process: {each})"
        )
    said = "decode's achieved share of the read bandwidth"
    publish("bandwidth", said, None, vars(args) | {"json": None, "runs": found}, conditions, args.json)


if __name__ == "__main__":
    question = asked()
    if question is None:
        main()
    else:
        answer(child(**question))
