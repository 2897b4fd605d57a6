"""Measuring candidates of a search in a process of their own, which a wrong schedule may kill or hang.

The search sends a candidate's module; the process builds it, runs it and answers with seconds. It stays for the next:
importing TVM takes seconds, and a pool of such processes is what times out on a loaded machine. A limit is on the
processor time that a candidate takes, not on the clock's, so that other work on the machine fails none.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from oneblock.compilers.api.process import PYTHON, cpu_seconds, die_with_parent
from oneblock.compilers.api.search import SearchStopped

CPU_LIMIT_S = 30.0  # of processor time on every thread, for building and running one candidate
_STUCK_S = 600.0  # without an answer, however little processor time was had
_DEATHS = 8  # processes that die in a row are not the fault of so many candidates
_LEAST_S = 0.02  # a sample is at least so long, by repeating


@dataclass(frozen=True)
class CandidateTimes:
    """What came of a candidate: seconds a call, one a sample; or why there are none."""

    seconds: tuple[float, ...] = ()
    error: str | None = None


class Measurer:
    """The process, as the search sees it."""

    def __init__(self, threads: int, rpc: str | None = None, limit_s: float = CPU_LIMIT_S) -> None:
        self.threads, self.rpc, self.limit_s = threads, rpc, limit_s
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0  # of processes, one after another

    def measure(
        self, module: str, arrays: Sequence[Any], target: Mapping[str, Any], best_s: float | None
    ) -> CandidateTimes:
        """Build a module, given as TVM's JSON, and time it on arrays of (dtype, shape).

        One much slower than `best_s` is called once.
        """
        if self.process is None:
            self.process = self._start()
        assert self.process.stdin is not None
        job = {"module": module, "arrays": arrays, "target": dict(target), "best_s": best_s, "rpc": self.rpc}
        with contextlib.suppress(BrokenPipeError):  # it is gone: its exit status tells how
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        return self._answer(self.process)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()
            self.process = None

    def _start(self) -> subprocess.Popen[bytes]:
        """A process that has imported all it needs: what ends it from now on is a candidate's doing."""
        env = os.environ | {"TVM_NUM_THREADS": str(self.threads), "TVM_BIND_THREADS": "0"}
        command = [*PYTHON, "-m", "oneblock.compilers.tvm.measure"]
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        if not self.process.stdout.readline():
            said = self.process.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            self.close()
            raise SearchStopped(f"the process that measures candidates does not start: {''.join(said) or 'no reason'}")
        return self.process

    def _answer(self, process: subprocess.Popen[bytes]) -> CandidateTimes:
        assert process.stdout is not None
        began, used_before = monotonic(), cpu_seconds(process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not selector.select(0.5):
                used = cpu_seconds(process.pid) - used_before
                if used > self.limit_s * self.threads or monotonic() - began > _STUCK_S:
                    self.close()
                    return self._died(f"no end after {used:.0f} s of processor time")
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.close()
            if code >= 0:
                return self._died(f"ended its process, status {code}")
            return self._died(f"killed its process by {signal.Signals(-code).name}")
        self.deaths, answer = 0, json.loads(line)
        if answer["host"] is not None:
            raise SearchStopped(
                f"the host at {self.rpc} is gone: {answer['host']}; what was measured is kept: start its server, and "
                f"the same command goes on"
            )
        return CandidateTimes(tuple(answer["seconds"]), answer["error"])

    def _died(self, how: str) -> CandidateTimes:
        self.deaths += 1
        if self.deaths < _DEATHS:
            return CandidateTimes(error=how)
        raise SearchStopped(
            f"of {self.deaths} candidates in a row each {how}: that is hardly theirs; what was measured is kept, and "
            f"the same command goes on"
        )


def main() -> None:
    """The process: a job a line on standard input, an answer a line on what was standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a toolchain prints is no answer
    die_with_parent()  # a candidate without an end would keep a core for good if the search were killed
    import tvm  # noqa: F401

    answers.write("ready\n")
    answers.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # from now on nobody reads what is printed
    os.dup2(2, 1)
    for line in sys.stdin:
        answer: dict[str, Any] = {"seconds": [], "error": None, "host": None}
        try:
            answer["seconds"] = _measure(json.loads(line))
        except _HostGone as error:
            answer["host"] = str(error)
        except Exception as error:  # noqa: BLE001  whatever a candidate does is an answer to the search
            answer["error"] = f"{type(error).__name__}: {str(error)[-300:]}"
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class _HostGone(Exception):
    """Another host does not answer: no candidate's fault."""


def _measure(job: Mapping[str, Any]) -> list[float]:
    import tvm

    module, target = tvm.ir.load_json(job["module"]), tvm.target.Target(job["target"])
    built = tvm.tirx.build(module, target=target)
    if job["rpc"] is None:
        kind = str(target.kind.name)
        function, device = tvm.runtime.Executable(built).jit(), tvm.cpu() if kind == "llvm" else tvm.device(kind)
    else:
        function, device = _remote(built, job["rpc"])
    args = _arguments(job["arrays"], device)
    (first,) = function.time_evaluator("main", device, number=1, repeat=1)(*args).results
    best_s = job["best_s"]
    if best_s is not None and first > 4 * best_s and first > _LEAST_S / 4:  # of a shorter one, one call says little
        return [float(first)]
    number = max(1, int(_LEAST_S / max(first, 1e-9)))
    return [float(one) for one in function.time_evaluator("main", device, number=number, repeat=3)(*args).results]


def _remote(built: Any, where: str) -> tuple[Any, Any]:
    """(the module on another host, its processor), by TVM's tracker: "host:port/key"."""
    import tempfile
    from pathlib import Path

    import tvm

    try:
        session = _session(where)
    except Exception as error:
        raise _HostGone(f"{type(error).__name__}: {error}") from error
    with tempfile.TemporaryDirectory(prefix="oneblock-tvm-rpc-") as folder:
        path = Path(folder, "candidate.tar")
        tvm.runtime.Executable(built).export_library(str(path))
        session.upload(str(path))
    return session.load_module("candidate.tar"), session.cpu()


def remote_cpu(where: str) -> str:
    """The processor of another host, as its own LLVM names it."""
    return str(_session(where).get_function("target.llvm_get_system_cpu")())


def _session(where: str) -> Any:
    from tvm import rpc

    address, _, key = where.partition("/")
    host, _, port = address.rpartition(":")
    return rpc.connect_tracker(host, int(port)).request(key, session_timeout=60)


def _arguments(arrays: Sequence[Any], device: Any) -> list[Any]:
    """Arrays of ordinary numbers, the same for each candidate of a function."""
    import ml_dtypes  # noqa: F401  NumPy learns bfloat16
    import numpy as np
    import tvm

    drawn, found = np.random.default_rng(0), []
    for dtype, shape in arrays:
        array = drawn.uniform(0.1, 1, shape) if "float" in dtype else drawn.integers(0, 2, shape)
        found.append(tvm.runtime.tensor(array.astype(np.dtype(dtype)), device))
    return found


if __name__ == "__main__":
    main()
