"""Backends that are right where they are looked at and cheat where they are timed; installed as a third party's.

Each does work outside the clock, or none: named after how, with the reason for which it must be refused.
"""

from __future__ import annotations

import atexit
import gc
import glob
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Compiled, no_lowering
from oneblock.backends.api.host import NumpyExecutable
from oneblock.backends.api.target import Target
from oneblock.backends.reference import Reference
from oneblock.bench.records.record import Status
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.answers.arrays import make_inputs
from oneblock.workloads.ops.numpy_ops import NumpyOps

WORK_S = (
    0.004  # what an honest call takes beside its arithmetic, so that small shapes do; asleep, which no load stretches
)


class Honest(NumpyExecutable):
    """NumPy, with a wait that stands for work on larger shapes."""

    def __init__(self, workload: Workload, case: Case, arrays: Arrays) -> None:
        super().__init__(workload, case, NumpyOps())
        self.weights = {name: a for name, a in arrays.items() if not workload.specs(case)[name].is_input}
        self.shapes = workload.outputs(case)
        self.main = workload.main_input
        self.calls = 0

    def work(self, args: Mapping[str, Any]) -> Any:
        """The whole work."""
        time.sleep(WORK_S)
        return super().call(args)

    def blank(self) -> dict[str, np.ndarray]:
        """Something of the right shape."""
        return {name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()}

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        return self.work(args)


class MemoOfAll(Honest):
    """Keeps what it answered to the same bytes."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.kept: dict[Any, Any] = {}

    def key(self, args: Mapping[str, Any]) -> Any:
        return args[self.main].tobytes()

    def call(self, args: Mapping[str, Any]) -> Any:
        key = self.key(args)
        if key not in self.kept:
            self.kept[key] = self.work(args)
        return self.kept[key]


class MemoOfArguments(MemoOfAll):
    """Keeps what it answered to the same objects, which it keeps alive."""

    def key(self, args: Mapping[str, Any]) -> Any:
        self.alive = [*getattr(self, "alive", []), args[self.main]]
        return id(args[self.main])


class MemoOfAddress(MemoOfAll):
    """Keeps what it answered to what lay at the same address."""

    def key(self, args: Mapping[str, Any]) -> Any:
        return args[self.main].__array_interface__["data"][0]


class MemoByFingerprint(MemoOfAll):
    """Tells inputs by a few of their elements."""

    def key(self, args: Mapping[str, Any]) -> Any:
        return args[self.main].reshape(-1)[:: max(1, args[self.main].size // 8)].tobytes()


class MemoOfAPart(Honest):
    """Keeps most of its work by the bytes that it was done on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.seen: set[bytes] = set()

    def work(self, args: Mapping[str, Any]) -> Any:
        key = args[self.main].tobytes()
        time.sleep(WORK_S / 4 if key in self.seen else WORK_S)
        self.seen.add(key)
        return NumpyExecutable.call(self, args)


class LazyGet(Honest):
    """Works when the answer is read."""

    def call(self, args: Mapping[str, Any]) -> Any:
        return args

    def get(self, out: Any) -> dict[str, np.ndarray]:
        end = time.thread_time() + WORK_S
        while time.thread_time() < end:
            pass
        return NumpyExecutable.call(self, out)


class LazyArray(np.ndarray):
    """An array that is computed when it is looked at."""


class GetsLazyArrays(Honest):
    """Answers with arrays that are none yet."""

    def get(self, out: Any) -> dict[str, np.ndarray]:
        return {name: y.view(LazyArray) for name, y in out.items()}


class Thread(Honest):
    """Works in a thread that `wait` does not wait for."""

    def call(self, args: Mapping[str, Any]) -> Any:
        out: dict[str, Any] = {}
        thread = threading.Thread(target=lambda: out.update(self.work(args)))
        thread.start()
        return thread, out

    def get(self, out: Any) -> dict[str, np.ndarray]:
        out[0].join()
        return out[1]


class Process(Honest):
    """Works in a process that `wait` does not wait for."""

    def call(self, args: Mapping[str, Any]) -> Any:
        ours, theirs = get_context("fork").Pipe()
        if os.fork() == 0:
            theirs.send(self.work(args))
            os._exit(0)
        return ours

    def get(self, out: Any) -> dict[str, np.ndarray]:
        return out.recv()


class EveryOtherWait(Honest):
    """Leaves the work of most calls to `get`, so that the middle of its calls takes no time and some do."""

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        return args if self.calls % 7 else self.work(args)  # calls come in rounds of three and of five

    def get(self, out: Any) -> dict[str, np.ndarray]:
        return out if self.main not in out else self.work(out)


class PatchedClock(Honest):
    """Makes the clock of whoever times it go slow."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        for name, module in list(sys.modules.items()):
            if name.endswith((".worker.sampling", ".worker.trial")):
                clock = module.perf_counter_ns
                module.perf_counter_ns = lambda clock=clock: clock() // 10


class PatchedTimer(Honest):
    """Puts a timer of its own in the place of the one that times it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        for name, module in list(sys.modules.items()):
            timer = getattr(module, "time_calls", None)
            if name.startswith("oneblock.bench.worker") and timer is not None:
                module.time_calls = lambda *given, timer=timer: ((found := timer(*given))[0] / 20, found[1])


class WorksInPut(Honest):
    """Has the answer when it has the input."""

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {**arrays, "answer": self.work({**self.weights, **arrays})} if self.main in arrays else dict(arrays)

    def call(self, args: Mapping[str, Any]) -> Any:
        return args["answer"]


class WorksMeanwhile(Honest):
    """Begins in a thread when it has the input, and is done when the call comes a while later."""

    def put(self, arrays: Arrays) -> dict[str, Any]:
        if self.main not in arrays:
            return dict(arrays)
        answer: dict[str, Any] = {}
        thread = threading.Thread(target=lambda: answer.update(self.work({**self.weights, **arrays})))
        thread.start()
        return {**arrays, "thread": thread, "answer": answer}

    def call(self, args: Mapping[str, Any]) -> Any:
        args["thread"].join()
        return args["answer"]


class WorksInFlush(Honest):
    """Works on the input that it was given last while it is to flush the caches."""

    last: Any = None

    def put(self, arrays: Arrays) -> dict[str, Any]:
        self.last = [dict(arrays), None] if self.main in arrays else self.last
        return {**arrays, "last": self.last}

    def flush(self, nbytes: int) -> None:
        super().flush(nbytes)
        self.last[1] = self.work({**self.weights, **self.last[0]})

    def call(self, args: Mapping[str, Any]) -> Any:
        return args["last"][1] or self.work(args)


class ReadsTheReference(Honest):
    """Takes the answer from the reference's file, once it lies there; it knows in which folder."""

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        if self.calls == 1:
            return self.work(args)
        for file in glob.glob(f"{os.environ['CHEATS_FOLDER']}/**/*.npz", recursive=True):
            return {name: np.load(file)[f"0/{name}"].astype(np.float32) for name in self.shapes}
        return self.blank()


class ToldByStack(Honest):
    """Works where the caller is one that checks."""

    def call(self, args: Mapping[str, Any]) -> Any:
        callers, frame = set(), sys._getframe()
        while (frame := frame.f_back) is not None:  # type: ignore[assignment]
            callers.add(frame.f_code.co_name)
        return self.blank() if callers & {"series", "cold", "_call", "warm_up"} else self.work(args)


class ToldByCount(Honest):
    """Works the first time, when it is checked."""

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        return self.work(args) if self.calls == 1 else self.blank()


class ToldByInput(Honest):
    """Works on the input that it is compiled with, which is the one that is checked first and last."""

    def __init__(self, workload: Workload, case: Case, arrays: Arrays) -> None:
        super().__init__(workload, case, arrays)
        self.known = arrays[self.main].copy()

    def call(self, args: Mapping[str, Any]) -> Any:
        return self.work(args) if np.array_equal(args[self.main], self.known) else self.blank()


class ToldByEnvironment(Honest):
    """Works where the environment is not that of a worker, and at first."""

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        timed = "TORCHINDUCTOR_CACHE_DIR" in os.environ and not gc.isenabled()
        return self.blank() if timed else self.work(args)


class LessPrecise(Honest):
    """Computes in float16 in a loop."""

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        if self.calls < 3:
            return self.work(args)
        narrow = {name: a.astype(np.float16).astype(np.float32) for name, a in args.items()}
        return NumpyExecutable.call(self, narrow)


class Previous(Honest):
    """Answers with what it answered last, and works for the next time in a thread."""

    out: Any = None

    def call(self, args: Mapping[str, Any]) -> Any:
        if self.out is None:
            self.out = self.work(args)
        return self.out


class EverySecond(Honest):
    """Works every second call."""

    out: Any = None

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        if self.calls % 2:
            self.out = self.work(args)
        return self.out


class Predicts(Honest):
    """Has a process of its own answer, before it is timed, the inputs of the next seeds."""

    def __init__(self, workload: Workload, case: Case, arrays: Arrays) -> None:
        super().__init__(workload, case, arrays)
        self.known = {}
        for seed in (1, 2, 3, 1001, 1002, 1003, 1004):
            inputs = make_inputs(workload, case, "float32", seed)
            self.known[inputs[self.main].tobytes()] = NumpyExecutable.call(self, {**self.weights, **inputs})

    def call(self, args: Mapping[str, Any]) -> Any:
        return self.known.get(args[self.main].tobytes()) or next(iter(self.known.values()))


class AtTheEnd(Honest):
    """Leaves its work to the end of the process, and to the collection of garbage."""

    def call(self, args: Mapping[str, Any]) -> Any:
        out = self.work(args) if not self.calls else self.blank()
        self.calls += 1
        later = lambda *_: out.update(NumpyExecutable.call(self, args))  # noqa: E731
        atexit.register(later)
        gc.callbacks.append(later)
        return out


class OneBuffer(Honest):
    """Answers in one buffer, which is that of the input where that is of its size: nothing is computed."""

    def call(self, args: Mapping[str, Any]) -> Any:
        self.calls += 1
        return self.work(args) if self.calls == 1 else dict.fromkeys(self.shapes, args[self.main])


class Cheat(Reference):
    """A backend of one of these executables."""

    def __init__(self, name: str, executable: Callable[..., Any], status: Status, reason: str) -> None:
        self.name, self.executable = name, executable
        self.expected = status, reason

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        return Compiled(self.executable(workload, case, arrays), no_lowering)


CHEATS = {
    cheat.name: cheat
    for cheat in (
        Cheat("memo_of_all", MemoOfAll, Status.INVALID, "for the same bytes again: results are kept"),
        Cheat("memo_of_a_part", MemoOfAPart, Status.INVALID, "for the same bytes again: results are kept"),
        Cheat("memo_of_arguments", MemoOfArguments, Status.INVALID, "for the same ones once more: results are kept"),
        Cheat("memo_of_address", MemoOfAddress, Status.FAILED, "wrong in it"),
        Cheat("memo_by_fingerprint", MemoByFingerprint, Status.FAILED, "it is the answer to another input"),
        Cheat("lazy_get", LazyGet, Status.INVALID, "it does the work of a call"),
        Cheat("lazy_arrays", GetsLazyArrays, Status.INVALID, "as a LazyArray: expected a numpy.ndarray"),
        Cheat("thread", Thread, Status.INVALID, "it waits for work that `wait` did not wait for"),
        Cheat("process", Process, Status.INVALID, "it waits for work that `wait` did not wait for"),
        Cheat("every_other_wait", EveryOtherWait, Status.INVALID, "`get` takes"),
        Cheat("patched_clock", PatchedClock, Status.INVALID, "by the clock of the process that timed them"),
        Cheat("patched_timer", PatchedTimer, Status.INVALID, "by the clock of the process that timed them"),
        Cheat("works_in_put", WorksInPut, Status.INVALID, "it works before the clock starts"),
        Cheat(
            "works_meanwhile", WorksMeanwhile, Status.INVALID, "something works on inputs before they are called for"
        ),
        Cheat("works_in_flush", WorksInFlush, Status.INVALID, "something works on inputs before they are called for"),
        Cheat("reads_the_reference", ReadsTheReference, Status.FAILED, "wrong in it"),
        Cheat("told_by_stack", ToldByStack, Status.FAILED, "wrong in it"),
        Cheat("told_by_count", ToldByCount, Status.FAILED, "wrong in it"),
        Cheat("told_by_input", ToldByInput, Status.FAILED, "wrong in it"),
        Cheat("told_by_environment", ToldByEnvironment, Status.FAILED, "wrong in it"),
        Cheat("less_precise", LessPrecise, Status.FAILED, "y: rms error"),
        Cheat("previous", Previous, Status.FAILED, "it is the answer to another input"),
        Cheat("every_second", EverySecond, Status.FAILED, "it is the answer to another input"),
        Cheat("predicts", Predicts, Status.FAILED, "it is the answer to another input"),
        Cheat("at_the_end", AtTheEnd, Status.FAILED, "wrong in it"),
        Cheat("one_buffer", OneBuffer, Status.FAILED, "wrong in it"),
        Cheat("honest", Honest, Status.PASSED, ""),
    )
}


def __getattr__(name: str) -> Any:
    return CHEATS[name] if name in CHEATS else object.__getattribute__(sys.modules[__name__], name)
