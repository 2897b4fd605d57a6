"""How far one measure job travels from the command to the record: stops, files, and climbs to a higher layer.

    python ci/figures/walk.py [CHECKOUT]

Runs `oneblock run norm --preset tiny --backend reference` of a checkout (this one, if none is given) under a profiler,
in the parent and in the worker of its measure job, and follows the value: what was asked for, the cell, the measure
job, the outcomes, the record, also as the dicts that they are on their way through a pipe. It is followed by calls: a
function takes it as an argument, or in a list, tuple, set or dict that is one. Each pair of caller and callee is looked
at once, when it is seen first; the worker's part of the way is gone where the worker begins, and the walk ends as the
store is given the record.

stop    the walk comes into a file: the function that takes the value is of another file than the one before
file    where the walk has been
climb   a call takes the value to a file on a higher floor. A file's floor is one above the highest that it imports,
        at the top or inside a function, but for types alone; files that import each other share theirs

A method of the value itself is not a step of the walk: it is asked there, not handed on.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from time import monotonic
from types import CodeType, FrameType
from typing import Any

VALUES = {"CellQuery", "Cell", "MeasureJob", "Outcome", "Measurement", "Partial", "Record"}
# By some of their keys: an event, a request, a job, an outcome.
DATA = ({"event", "outcome"}, {"kind", "job"}, {"cell", "tier", "reference"}, {"status", "reason", "hint"})
COMMAND = ("run", "norm", "--preset", "tiny", "--phase", "prefill", "-T", "8", "--backend", "reference")
FOLDERS = ("workloads", "compilers", "backends", "bench")
MOST = {"stops": 20, "files": 9, "climbs": 0}
_SELF = Path(__file__).resolve()
_VARIADIC = 0x08  # of a code's flags: it has **fields
Step = tuple[str, str, str, str]  # file and function of the caller, and of the callee


def carries(value: Any, *, within: bool = True) -> bool:
    """Whether an argument is the value, its data, or holds one of them."""
    if type(value).__name__ in VALUES and type(value).__module__.startswith("oneblock."):
        return True
    if isinstance(value, dict):
        return any(keys <= value.keys() for keys in DATA) or (within and _any(value.values()))
    return within and isinstance(value, list | tuple | set) and _any(value)


def _any(values: Any) -> bool:
    return any(carries(one, within=False) for one in list(values))


def follow(root: str, folder: str) -> None:
    """Write down each step of this process, into a file of its own."""
    seen: set[Step] = set()
    log = Path(folder, f"{os.getpid()}.jsonl")

    def place(code: CodeType) -> tuple[str, str]:
        return code.co_filename.removeprefix(root + os.sep), code.co_qualname

    def ours(frame: FrameType | None) -> FrameType | None:
        while frame is not None and not frame.f_code.co_filename.startswith(root + os.sep):
            frame = frame.f_back
        return frame

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(root + os.sep):
            return
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _VARIADIC)
        arguments = [frame.f_locals.get(name) for name in code.co_varnames[:count] if name != "self"]
        if not any(map(carries, arguments)):
            return
        caller = ours(frame.f_back)
        by = place(caller.f_code) if caller is not None else ("", "")
        step = (*by, *place(code))
        if step not in seen:
            seen.add(step)
            job = any(type(one).__name__ == "MeasureJob" for one in arguments)
            with log.open("a") as file:  # opened each time: a worker gives descriptors a meaning of its own
                file.write(json.dumps([monotonic(), job, step]) + "\n")

    sys.setprofile(profile)


def walk(checkout: Path) -> list[Step]:
    """The steps of the parent and of the measure job's worker, in the order of time, up to the store."""
    with tempfile.TemporaryDirectory(prefix="walk-") as scratch:
        root, logs = Path(scratch, "oneblock"), Path(scratch, "logs")
        root.symlink_to(checkout)
        logs.mkdir()
        hook = f"import runpy\nrunpy.run_path({str(_SELF)!r})['follow']({str(root)!r}, {str(logs)!r})\n"
        Path(scratch, "sitecustomize.py").write_text(hook)
        command = [sys.executable, "-m", "oneblock.bench", *COMMAND, "-o", str(Path(scratch, "records"))]
        environment = os.environ | {"PYTHONPATH": scratch, "XDG_CACHE_HOME": str(Path(scratch, "cache"))}
        environment["ONEBLOCK_DISTURBANCE"] = "ignore"  # a cell that others disturbed is measured once more
        done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{checkout}: the run ended with status {done.returncode}: there is no walk\n{done.stderr}")
        logged = [[json.loads(line) for line in path.read_text().splitlines()] for path in logs.iterdir()]
    of_it = sorted(sorted(rows) for rows in logged if any(job for _, job, _ in rows))
    if len(of_it) != 2:
        sys.exit(
            f"{checkout}: expected a measure job in the parent and in its worker, saw it in {len(of_it)} processes"
        )
    parent, worker = of_it  # the parent began
    before = [row for row in parent if row < worker[0]]
    steps: list[Step] = [tuple(step) for _, _, step in (*before, *worker, *parent[len(before) :])]
    end = [number for number, step in enumerate(steps) if step[3] == "Store.add"]
    if not end:
        sys.exit(f"{checkout}: no record came to Store.add: is it called otherwise now?")
    return steps[: end[0] + 1]


def imports(checkout: Path, path: Path) -> Iterator[str]:
    """The files of the checkout that one of them imports, as it may run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = Path(*name.split(".")[1:]).with_suffix(".py") if "." in name else None
            if file is not None and name.startswith("oneblock.") and (checkout / file).is_file():
                yield str(file)


def floors(checkout: Path) -> dict[str, int]:
    """How high each file stands over what it imports."""
    known = [file for folder in FOLDERS for file in checkout.glob(f"{folder}/**/*.py")]
    edges = {str(file.relative_to(checkout)): set(imports(checkout, file)) for file in known}

    @cache
    def below(file: str) -> frozenset[str]:
        found: set[str] = set()
        left = [file]
        while left:
            new = edges.get(left.pop(), set()) - found
            found |= new
            left += new
        return frozenset(found)

    @cache
    def floor(file: str) -> int:
        lower = [other for other in below(file) if file not in below(other)]
        return 1 + max(map(floor, lower), default=0)

    return {file: floor(file) for file in edges}


def main() -> None:
    """Print the walk, and its figures beside their bars; the status is 1 where one is not met."""
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else _SELF.parents[2]).resolve()
    steps, height = walk(checkout), floors(checkout)
    stops, climbs = 0, 0
    at = ""
    for caller, calling, file, function in steps:
        climb = caller != file and height.get(file, 0) > height.get(caller, height.get(file, 0))
        climbs += climb
        if file != at:
            stops += 1
            print(f"{stops:3} floor {height.get(file, 0):2}  {file}", flush=True)
        at = file
        print(f"       {'CLIMB ' if climb else ''}{function}, by {calling or 'the process'}")
    figures = {"stops": stops, "files": len({file for _, _, file, _ in steps}), "climbs": climbs}
    print(", ".join(f"{count} {name} (at most {MOST[name]})" for name, count in figures.items()))
    raise SystemExit(any(count > MOST[name] for name, count in figures.items()))


if __name__ == "__main__":
    main()
