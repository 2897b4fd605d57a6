"""Every MLIR pass that Triton runs over a kernel: the module before and after it, and its time."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from oneblock.compilers.api.stages import Artifact, Stage
from oneblock.compilers.triton import mlir_text as _mlir_passes
from oneblock.compilers.triton import text as _triton_text
from oneblock.compilers.triton.lowering import Source, build

# Triton's C++ reads these itself. A cached kernel runs no pass, so the cache is a new one.
_SAY_ALL = {"MLIR_ENABLE_DUMP": "1", "MLIR_ENABLE_TIMING": "1"}


def passes(source: Source, name: str) -> list[Artifact]:
    """A table of the passes with their times, then the module after each that changed it.

    Compiles once more, alone: what MLIR prints goes to the process's own standard error, which is read here meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="oneblock-triton-passes-") as cache, tempfile.TemporaryFile() as said:
        with _environment({**_SAY_ALL, "TRITON_CACHE_DIR": cache}), _standard_error(said.fileno()):
            build(source)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    found = _mlir_passes.read(_triton_text.canonical(text))
    table = ["us       lines  changed  pass  (times to 100 us, as MLIR tells them; -: without a time of its own)"]
    kept = []
    for number, one in enumerate(found):
        changed = one.after is not None and one.after != one.before
        took = "-" if one.microseconds is None else str(one.microseconds)
        table.append(f"{took:<8} {one.before.count(chr(10)):<6} {'yes' if changed else '':<8} {number:03d} {one.name}")
        if number == 0:
            kept.append(Artifact(Stage.OPTIMIZED, f"mlir:{name}:000.before.{one.name}", one.before))
        if changed and one.after is not None:
            kept.append(Artifact(Stage.OPTIMIZED, f"mlir:{name}:{number:03d}.after.{one.name}", one.after))
    return [Artifact(Stage.OPTIMIZED, f"passes:{name}", "\n".join(table) + "\n"), *kept]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables, and afterwards what was there before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _standard_error(to: int) -> Iterator[None]:
    """The process's standard error goes to another file, also what C++ writes."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(to, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
