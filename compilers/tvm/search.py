"""MetaSchedule's search over a program's functions, its loop written out: choose, propose, measure, keep, learn.

TVM's own loop hands candidates to pools of processes that time out on a loaded machine, keeps nothing of a candidate
that kills one, and starts over after an interruption. Spaces, mutations and cost models are TVM's; which function is
next, what measures, and what is kept when are ours.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import tvm
import tvm_ffi
from tvm.s_tir import meta_schedule as ms

from oneblock.compilers.api.search import Search, TaskState, Tell, Trial
from oneblock.compilers.tvm import functions as tir_functions
from oneblock.compilers.tvm.lowering import FusedModule
from oneblock.compilers.tvm.measure import CandidateTimes, Measurer
from oneblock.compilers.tvm.store import FAILED_S, Store, StoreError

_FIRST = 4  # candidates of a function's first batch: most functions take next to no time, and need no more
_SAVED = 0.5  # hope for a function falls to this by a batch that found nothing faster


def _database(store: Store) -> Any:
    """All that a folder holds, as TVM's search reads it."""
    database = ms.database.MemoryDatabase()
    try:
        workloads = [ms.database.Workload.from_json(row) for row in store.workloads]
        workloads = [database.commit_workload(workload.mod) for workload in workloads]
        for index, row in store.records:
            database.commit_tuning_record(ms.database.TuningRecord.from_json(row, workloads[index]))
    except Exception as error:
        raise StoreError(f"{store.folder}: a line in it is not of this TVM: {str(error)[-100:]}") from error
    return database


class _Task:
    """One function under search."""

    def __init__(self, extracted: Any, fused: FusedModule, asked: Search) -> None:
        self.name, self.calls, self.module = extracted.task_name, int(extracted.weight), extracted.dispatched[0]
        of = {step for call in fused.calls if call.function == self.name for step in call.steps}
        self.steps = tuple(step for step in fused.steps if step in of)
        self.flops = tir_functions.flops(self.module["main"])
        self.key = str(tvm_ffi.structural_hash(self.module))
        # One thread: of several, chance decides which draws what, and a seed would not propose the same again.
        self.context = ms.TuneContext(
            self.module, target=fused.target, space_generator="post-order-apply", search_strategy=_strategy(),
            task_name=self.name, rand_state=_seed(asked.seed, self.key), num_threads=1, logger=_silent(),
        )  # fmt: skip
        self.trials: list[Trial] = []
        self.stale, self.done, self.spent_s = 0, False, 0.0
        self.proposed: list[Any] = []  # and not measured yet: TVM proposes nothing twice

    @property
    def best_s(self) -> float | None:
        return min((trial.seconds for trial in self.trials if trial.seconds is not None), default=None)

    @property
    def hope(self) -> float:
        """Seconds of one run of the program that the next batch may save."""
        if self.done:
            return -1.0
        if not self.trials:
            return float("inf")
        return (self.best_s or 1.0) * self.calls * _SAVED**self.stale

    def state(self) -> TaskState:
        return TaskState(self.name, self.steps, self.calls, self.flops, tuple(self.trials), self.spent_s)


def _import_intrinsics() -> None:
    """Import what every search imports, in 3 s instead of 40.

    TVM parses its intrinsics' source, and asks for the whole call stack at each. Python looks for the module of every
    frame by going through all modules; those frames are the import system's, and nobody reads the answer.
    """
    real = inspect.getmodule
    inspect.getmodule = lambda *_: None
    try:
        importlib.import_module("tvm.s_tir.tensor_intrin")
    finally:
        inspect.getmodule = real


def search(fused: FusedModule, asked: Search, store: Store, threads: int, tell: Tell) -> list[TaskState]:
    """Search until so many candidates have been measured, those in the store counted; each is kept at once."""
    _import_intrinsics()
    database = _database(store)
    tasks = [_Task(one, fused, asked) for one in sorted(fused.tasks, key=lambda one: one.task_name)]
    _recall(tasks, store)
    cost_model = _cost_model(asked, threads)
    measurer = Measurer(threads, asked.rpc)
    bench = _Bench(measurer, store, database, fused.target)
    left = asked.trials - sum(len(task.trials) for task in tasks)
    with fused.target:
        for task in tasks:
            tell(task.state())
            task.context.pre_tuning(asked.trials, asked.batch, database=database, cost_model=cost_model)
            _learn(task, database, cost_model)
        try:
            while left > 0 and (task := max(tasks, key=lambda one: one.hope)).hope >= 0:
                most = asked.batch if task.trials else min(_FIRST, asked.batch)
                left -= _batch(task, min(most, left), bench, cost_model)
                tell(task.state())
        finally:
            measurer.close()
            for task in tasks:
                task.context.post_tuning()
    return [task.state() for task in tasks]


class _Bench:
    """Measures a candidate and keeps what came of it, before the next is begun."""

    def __init__(self, measurer: Measurer, store: Store, database: Any, target: Any) -> None:
        self.measurer, self.store, self.database, self.target = measurer, store, database, target
        self.options = {name: _plain(value) for name, value in target.export().items()}

    def measure(self, task: _Task, candidate: Any) -> CandidateTimes:
        module = candidate.sch.mod
        arrays = [_plain(info.as_json())[1:] for info in candidate.args_info]
        measured = self.measurer.measure(tvm.ir.save_json(module), arrays, self.options, task.best_s)
        seconds = list(measured.seconds) or [FAILED_S]
        record = ms.database.TuningRecord(
            candidate.sch.trace, self.database.commit_workload(task.module), seconds, self.target, candidate.args_info
        )
        self.store.append("record", [self._index(task), _plain(record.as_json())])
        self.database.commit_tuning_record(record)
        task.trials.append(Trial(min(measured.seconds, default=None), why_not=measured.error))
        return measured

    def spent(self, task: _Task, seconds: float) -> None:
        """Keep how long a batch took, its proposals included."""
        self.store.append("batch", [self._index(task), round(seconds, 3)])
        task.spent_s += seconds

    def _index(self, task: _Task) -> int:
        """The line that the function has in the store; it gets one with its first candidate."""
        keys = [row[0] for row in self.store.workloads]
        if task.key not in keys:
            self.store.append("workload", _plain(self.database.commit_workload(task.module).as_json()))
            return len(keys)
        return keys.index(task.key)


def _batch(task: _Task, most: int, bench: _Bench, cost_model: Any) -> int:
    """Propose, measure and learn once; how many candidates were measured."""
    began = perf_counter()
    task.proposed = task.proposed or list(task.context.generate_measure_candidates() or [])
    candidates, task.proposed = task.proposed[:most], task.proposed[most:]
    if not candidates:  # its space is searched
        task.done = True
        return 0
    before = task.best_s
    results = []
    for candidate in candidates:
        measured = bench.measure(task, candidate)
        results.append(ms.runner.RunnerResult(list(measured.seconds) or None, measured.error))
    task.context.notify_runner_results(candidates, results)
    cost_model.update(task.context, candidates, results)
    bench.spent(task, perf_counter() - began)
    better = task.best_s is not None and (before is None or task.best_s < 0.98 * before)
    task.stale = 0 if better else task.stale + 1
    return len(candidates)


def _recall(tasks: Sequence[_Task], store: Store) -> None:
    """What earlier runs measured of these functions."""
    for task in tasks:
        records, task.spent_s = store.of(task.key)
        for _, seconds, *_ in records:
            failed = min(seconds) >= FAILED_S / 2
            task.trials.append(Trial(None, why_not="in an earlier run") if failed else Trial(min(seconds)))


def _cost_model(asked: Search, threads: int) -> Any:
    """What ranks proposals; TVM's random one is seeded by the clock unless it is told."""
    if asked.cost_model == "random":
        return ms.cost_model.RandomModel(seed=asked.seed)
    return ms.cost_model.CostModel.create(asked.cost_model, num_tuning_cores=threads)


def _strategy() -> Any:
    """TVM's evolution with a quarter of its population: proposing took longer than measuring, and found no more.

    Of a batch of 16 two are drawn at random: of TVM's own share, 5 %, there would be none.
    """
    return ms.search_strategy.EvolutionarySearch(population_size=128, init_min_unmeasured=32, eps_greedy=0.125)


def _learn(task: _Task, database: Any, cost_model: Any) -> None:
    """Teach the cost model what earlier runs measured: it is not kept, and would propose as if it knew nothing."""
    known = database.get_top_k(database.commit_workload(task.module), len(task.trials)) if task.trials else []
    timed = [record for record in known if min(record.run_secs) < FAILED_S / 2]
    if timed:
        results = [ms.runner.RunnerResult(list(record.run_secs), None) for record in timed]
        cost_model.update(task.context, [record.as_measure_candidate() for record in timed], results)


def _seed(seed: int, key: str) -> int:
    """A seed for a function, the same in every run: in TVM's range, 1 to 2^31 - 1."""
    from hashlib import sha256

    return int(sha256(f"{seed} {key}".encode()).hexdigest()[:7], 16) + 1


def _silent() -> logging.Logger:
    logger = logging.getLogger("oneblock.tvm")
    logger.setLevel(logging.CRITICAL)
    return logger


def _plain(value: Any) -> Any:
    """TVM's containers as Python's."""
    if isinstance(value, tvm.ir.Array | list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, tvm.ir.Map | dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tvm.tirx.IntImm | tvm.tirx.FloatImm):
        return value.value
    return value if value is None or isinstance(value, bool | int | float) else str(value)
