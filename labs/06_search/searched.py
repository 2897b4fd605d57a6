"""Searches by TVM's MetaSchedule, with modelled cycles in the place of a clock: OUT M N K SEED TRIALS; OUT FILE M N K.

The second tries a learner's `search`. With one thread and its seed told, TVM proposes the same schedules again.
"""

from __future__ import annotations

import itertools
import json
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.bench.lessons.lab import module

of = module(Path(__file__).with_name("cycles.py"))
BATCH = 16
SEEDS = 9  # that a learner's search is tried with
LEARNERS = 24  # schedules that it may ask the cost of
FAR = 1.08  # times the least, in the median of the seeds


def product(M: int, N: int, K: int) -> Any:
    """y = a @ b, as TVM's tensor expressions say it."""
    import tvm
    from tvm import te

    a, b, k = te.placeholder((M, K), name="a"), te.placeholder((K, N), name="b"), te.reduce_axis((0, K), name="k")
    y = te.compute((M, N), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="y")
    return tvm.IRModule({"main": te.create_prim_func([a, b, y]).with_attr("global_symbol", "main")})


def context(sizes: tuple[int, int, int], seed: int, strategy: Any) -> Any:
    """A search over it for a CPU with vectors of 8."""
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from oneblock.compilers.tvm.search import _silent

    target = tvm.target.Target({"kind": "llvm", "mcpu": "haswell", "num-cores": 1})
    return ms.TuneContext(
        product(*sizes), target=target, space_generator="post-order-apply", search_strategy=strategy, task_name="y",
        rand_state=seed + 1, num_threads=1, logger=_silent(),
    )  # fmt: skip


def tile(trace: Any) -> dict[str, int]:
    """What a schedule's trace has decided."""
    decided: list[Any] = [trace.decisions[one] for one in trace.insts if one in trace.decisions]
    i, j, k = ([int(n) for n in one] for one in decided[:3])
    unroll = int(decided[3])
    apart = int(any(one.kind.name == "CacheWrite" for one in trace.insts))
    return dict(zip(of.AXES, (*i[2:], *j[2:], k[1], of.UNROLL[unroll], apart), strict=True))


def space(sizes: tuple[int, int, int]) -> list[list[dict[str, Any]]]:
    """Each sketch's decisions, as its trace has them."""
    told = []
    for sketch in context(sizes, 0, "replay-trace").generate_design_space():
        extents = iter(sizes)
        told.append([
            {"extent": next(extents), "factors": int(one.attrs[0]), "most_innermost": int(one.attrs[1])}
            if one.kind.name == "SamplePerfectTile" else {"choices": len(one.attrs[0])}
            for one in sketch.trace.insts if one.kind.name in ("SamplePerfectTile", "SampleCategorical")
        ])  # fmt: skip
    return told


def searched(sizes: tuple[int, int, int], seed: int, trials: int, how: str) -> list[float]:
    """Cycles of each schedule in the order in which TVM proposed them."""
    from tvm.s_tir import meta_schedule as ms

    evolves = ms.search_strategy.EvolutionarySearch(population_size=32, init_min_unmeasured=16, eps_greedy=0.125)
    under = context(sizes, seed, ms.search_strategy.ReplayTrace() if how == "random" else evolves)
    model = ms.cost_model.CostModel.create("xgb", num_tuning_cores=1) if how == "learned" else None
    model = model or ms.cost_model.RandomModel(seed=seed)
    found: list[float] = []
    database = ms.database.MemoryDatabase()
    workload = database.commit_workload(under.mod)
    with under.target:
        under.generate_design_space()
        under.pre_tuning(trials, BATCH, database=database, cost_model=model)
        while len(found) < trials and (candidates := under.generate_measure_candidates()):
            costs = [of.cycles(*sizes, tile(one.sch.trace)) for one in candidates]
            results = [ms.runner.RunnerResult([cost * 1e-9], None) for cost in costs]
            for one, cost in zip(candidates, costs, strict=True):
                database.commit_tuning_record(
                    ms.database.TuningRecord(one.sch.trace, workload, [cost * 1e-9], under.target, one.args_info)
                )
            under.notify_runner_results(candidates, results)
            model.update(under, candidates, results)
            found += costs
        under.post_tuning()
    return found[:trials]


def learners(path: str, sizes: tuple[int, int, int]) -> dict[str, str]:
    """What holds of a learner's search, as the first word that applies."""
    search = runpy.run_path(path)["search"]
    regrets = []
    for seed in range(SEEDS):
        once, again = (asked(search, sizes, seed) for _ in range(2))
        if isinstance(once, str):
            return {"word": once}
        if once != again:
            return {"word": "not_again"}
        regrets.append(once[0] / of.least(*sizes))
    return {"word": "good" if median(regrets) <= FAR else "far"}


def asked(search: Any, sizes: tuple[int, int, int], seed: int) -> str | tuple[float, list[str]]:
    """The cost of the schedule that a search gives, and all that it asked for; or the word for what it did wrong."""
    choices = of.axes(*sizes)
    costs: dict[str, float] = {}

    def key(chosen: Mapping[str, tuple[int, ...]]) -> str:
        if any(chosen[axis] not in choices[axis] for axis in choices):
            raise ValueError(f"search: {dict(chosen)} is not of the space")
        return json.dumps({axis: chosen[axis] for axis in choices})

    def cost(chosen: Mapping[str, tuple[int, ...]]) -> float:
        return float(costs.setdefault(key(chosen), of.cycles(*sizes, of.tile_of(chosen))))

    best = key(search(cost, {axis: [*ways] for axis, ways in choices.items()}, LEARNERS, seed))
    if best not in costs:
        return "never_asked"
    if len(costs) > LEARNERS:
        return "too_many"
    return (costs[best], [*costs]) if costs[best] == min(costs.values()) else "not_the_best"


def main(out: str, *words: str) -> None:
    """Write what is told as JSON."""
    if words[0].endswith(".py"):
        M, N, K = map(int, words[1:])
        made: dict[str, Any] = dict(learners(words[0], (M, N, K)))
    else:
        M, N, K, seed, trials = map(int, words)
        made = {"absent": {}, "least": of.least(M, N, K)}
        try:
            backends.ours("tvm_relax").probe(Target.parse("cpu"))
        except Unavailable as error:
            made["absent"]["tvm_relax"] = f"{error}; {error.hint}"
        else:
            from oneblock.compilers.tvm.search import _import_intrinsics

            _import_intrinsics()
            ways = itertools.product(("random", "learned"), range(seed, seed + 3))
            made["tvm_relax"] = {"space": space((M, N, K))} | {
                f"{how}_{n - seed}": searched((M, N, K), n, trials, how) for how, n in ways
            }
    Path(out).write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
