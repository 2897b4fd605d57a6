"""XLA with some of its passes over HLO switched off, by the option that is there for it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from oneblock.compilers.api.passes import CannotRun, PassTrial, reason
from oneblock.compilers.dialects import normalised
from oneblock.compilers.hlo import counts as _hlo_facts
from oneblock.compilers.hlo import parser as _hlo

_AFTER = re.compile(r"\.after_([^.]+)\.")  # `module_0001.jit_f.0012.PIPELINE.after_PASS.before_PASS.txt`


class XlaPasses:
    """A program's passes: those that change its HLO when all are on, each name standing for every time it runs."""

    counts: tuple[str, ...] = ("fusions", "operations")
    how = (
        "xla_disable_hlo_passes takes names: one switches off every pass so called. Listed are those that change the "
        "module when all are on; what changes nothing then, and the making of code from HLO, are never off"
    )

    def __init__(self, lowered: jax.stages.Lowered, executable: Callable[[Any], Any], steps: Sequence[str]) -> None:
        self.lowered, self.executable, self.steps = lowered, executable, steps
        self.names = _changing(lowered)

    def make(self, off: Sequence[str]) -> PassTrial:
        """XLA's own refusals become CannotRun, and so does a module that cannot be read."""
        try:
            compiled = compile_without(self.lowered, off)
            text = str(compiled.as_text() or "")
            counts = _hlo_facts.count(_hlo.parse(text), self.steps)
        except Exception as error:  # of XLA, or of the parser: without a pass it may print what that does not know
            raise CannotRun(reason(error)) from error
        numbers = {"fusions": sum(counts.fusions.values()), "operations": sum(counts.operations.values())}
        return PassTrial(self.executable(compiled), numbers, lambda _: normalised("hlo", text))

    def by_hand(self, off: Sequence[str]) -> str:
        """The flag that XLA reads from the environment."""
        return f"XLA_FLAGS=--xla_disable_hlo_passes={','.join(off)}"


def compile_without(lowered: jax.stages.Lowered, off: Sequence[str]) -> jax.stages.Compiled:
    """Compile with these passes off."""
    return lowered.compile(compiler_options={"xla_disable_hlo_passes": ",".join(off)} if off else None)


def _changing(lowered: jax.stages.Lowered) -> tuple[str, ...]:
    """The names of the passes that change the module, in the order of their first change."""
    with tempfile.TemporaryDirectory(prefix="oneblock-xla-bisect-") as folder:
        options = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True, "xla_dump_hlo_pass_re": ".*"}
        try:
            lowered.compile(compiler_options=options)
        except Exception as error:
            raise CannotRun(reason(error)) from error
        found = [_AFTER.search(path.name) for path in sorted(Path(folder).glob("*.after_*.txt"))]
    names = dict.fromkeys(match[1] for match in found if match is not None)
    names.pop("pipeline-start", None)
    if not names:
        raise CannotRun("expected XLA to dump the module after its passes, got no file: was the program cached?")
    return tuple(names)
