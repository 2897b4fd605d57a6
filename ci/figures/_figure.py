"""What the figures share: options, conditions, fresh processes that answer in JSON, and how the numbers are kept."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from oneblock import backends
from oneblock.bench.records.dependence import PACKAGES, source_hash
from oneblock.bench.records.environment import cpu_name, default_threads, load_average, now
from oneblock.bench.records.environment import last_level_cache_bytes as llc_bytes

_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TVM_NUM_THREADS",
)
_CHILD = "--child"
FLUSH_BYTES = max(256 * 2**20, 2 * llc_bytes())  # as `oneblock run` flushes


def options(doc: str | None) -> argparse.ArgumentParser:
    """A parser with what every figure takes."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers and the conditions here")
    return parser


class Conditions:
    """Under what a figure was taken; made before it, completed after it."""

    def __init__(self) -> None:
        self.started, self.load_before = now(), load_average()

    def complete(self) -> dict[str, Any]:
        """Everything a reader needs to judge the numbers."""
        return {
            "started": self.started,
            "ended": now(),
            "load_average_before": self.load_before,
            "load_average_after": load_average(),
            "cpu": cpu_name(),
            "threads": default_threads(),
            "source_sha256": {name: source_hash(name, "block") for name in backends.names()},
            "versions": {"python": sys.version.split()[0]} | {name: _version(name) for name in _PACKAGES},
        }


_PACKAGES = (*PACKAGES, "transformers")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def publish(name: str, target: str, met: bool | None, numbers: Any, conditions: Conditions, path: Path | None) -> None:
    """Say whether the target is met (None: it has none), under what load, and write it all where it is wanted."""
    under = conditions.complete()
    verdict = "for information" if met is None else "met" if met else "NOT met"
    print(f"target: {target}: {verdict}")
    print(f"load average {under['load_average_before']} before, {under['load_average_after']} after")
    if path is not None:
        whole = {"figure": name, "target": target, "met": met, "numbers": numbers, "conditions": under}
        path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def asked() -> dict[str, Any] | None:
    """What a child process was asked, with its threads pinned as a worker's are; None in the parent."""
    if sys.argv[1:2] != [_CHILD]:
        return None
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: default_threads()])
    question = json.loads(sys.argv[2])
    assert isinstance(question, dict)
    return question


def answer(numbers: dict[str, Any]) -> None:
    """The child's answer, as its last line; a toolchain's own farewell is not waited for."""
    print(json.dumps(numbers), flush=True)
    os._exit(0)


def ask(script: str, question: dict[str, Any]) -> dict[str, Any]:
    """Run a figure's own file in a fresh process; RuntimeError has what it said if it failed."""
    own = {name: str(default_threads()) for name in _THREAD_COUNTS}
    command = [sys.executable, script, _CHILD, json.dumps(question)]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(script).name} {question} exited with {done.returncode}:\n{done.stderr[-3000:]}")
    numbers = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(numbers, dict)
    return numbers


def compiling_backends() -> list[str]:
    """The backends with a device here and a CPU target that race: `reference` defines answers, TVM takes a search."""
    from oneblock import backends
    from oneblock.backends.api.backend import Unavailable, Unsupported
    from oneblock.backends.api.target import Target

    found = []
    for name in backends.names():
        try:
            backend = backends.load(name)
            if name not in ("reference", "tvm_relax") and "cpu" in backend.platforms:
                backend.probe(Target("cpu"))
                found.append(name)
        except (Unavailable, Unsupported):
            continue
    return found
