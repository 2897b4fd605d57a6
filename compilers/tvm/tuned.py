"""The schedules that searches found for a program: the fastest of this machine's, then those that oneblock ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tvm_ffi
from tvm.s_tir import meta_schedule as ms

from oneblock.compilers.tvm import pins as _tvm_pins
from oneblock.compilers.tvm import store as _tuned_store
from oneblock.compilers.tvm.lowering import FusedModule
from oneblock.compilers.tvm.store import About


@dataclass(frozen=True)
class TunedSchedules:
    """A database of one schedule a function, and where they are from."""

    database: Any
    origins: Mapping[str, About]  # by function
    missing: tuple[str, ...]  # functions that no search has found a schedule for
    caveats: tuple[str, ...]  # what of it was found for another machine


def about(fused: FusedModule, machine: str) -> About:
    """What a search for this program's target is of."""
    options = fused.target.export()
    parts = [str(options["kind"]), str(options.get("mcpu") or options.get("arch") or "any")]
    return About(_tvm_pins.toolchain(), "-".join([*parts, str(options.get("num-cores", 1))]), machine)


def find(fused: FusedModule, about: About) -> TunedSchedules:
    """For each function the fastest of this target's own, and only then of what comes along for others of its kind.

    Seconds of two machines are not compared.
    """
    database, origins, missing = ms.database.MemoryDatabase(), {}, []
    along = _tuned_store.shipped(about)
    same = [kept for kept in along if (kept.about.target, kept.about.machine) == (about.target, about.machine)]
    ranked = [[*_tuned_store.own(about), *same], along]
    for task in fused.tasks:
        module = task.dispatched[0]
        key = str(tvm_ffi.structural_hash(module))
        best = next((found for kept in ranked if (found := _tuned_store.fastest(kept, key)) is not None), None)
        if best is None:
            missing.append(task.task_name)
            continue
        store, row = best
        workload = database.commit_workload(module)
        try:
            database.commit_tuning_record(ms.database.TuningRecord.from_json(row, workload))
        except Exception as error:
            reason = f"{store.folder}: a schedule is not of this TVM: {str(error)[-100:]}"
            raise _tuned_store.StoreError(reason) from error
        origins[task.task_name] = store.about
    foreign = {
        origin for origin in origins.values() if (origin.target, origin.machine) != (about.target, about.machine)
    }
    caveats = tuple(
        f"schedules of {sum(origin == one for origin in origins.values())} functions were found for {one.target} on "
        f"{one.machine}, and this is {about.target} on {about.machine}"
        for one in sorted(foreign, key=str)
    )
    return TunedSchedules(database, origins, tuple(missing), caveats)


def spent_s(fused: FusedModule, about: About) -> dict[str, float]:
    """The seconds of all searches here, by function."""
    stores = [store for store in _tuned_store.own(about) if isinstance(store, _tuned_store.Store)]
    keys = {task.task_name: str(tvm_ffi.structural_hash(task.dispatched[0])) for task in fused.tasks}
    return {name: sum(store.of(key)[1] for store in stores) for name, key in keys.items()}
