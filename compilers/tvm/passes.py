"""TVM with some of its passes skipped, by an instrument that TVM asks before each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tvm
from tvm import relax
from tvm.ir.instrument import pass_instrument

from oneblock.compilers.api.passes import CannotRun, Numbering, PassTrial, beside, reason
from oneblock.compilers.tvm.lowering import build, fuse, schedule

_SEQUENTIAL = "sequential"
_GROUPS = (_SEQUENTIAL, "_pipeline")  # passes that only run others
_INSIDE = "inside another pass: "
_TO_CODE = ("tirx.", "s_tir.")


class RelaxPasses:
    """Every pass from the traced module to machine code; what a pass runs inside it is a part of it.

    With `to_code` False the passes over tensor IR stay on: they come after what Relax does.
    """

    counts: tuple[str, ...] = ("kernels", "fusions")
    how = (
        "an instrument's should_run skips a pass, and what follows runs. The compiler of LLVM IR is never off. To skip "
        "what lowers tensor IR may end the process: that is told, and the search goes on"
    )

    def __init__(
        self, traced: tvm.IRModule, target: tvm.target.Target, steps: Sequence[str],
        executable: Callable[[Any], Any], *, to_code: bool = True,
    ) -> None:  # fmt: skip
        self.traced, self.target, self.steps, self.executable = traced, target, steps, executable
        _, watch = self._compile(())
        self.names = tuple(name for name in watch.after if to_code or not name.startswith(_TO_CODE))
        self.by_name = tuple(watch.by_name)
        self.unfused = self._compile(("FuseOps", "FuseTIR"))[1].kernels()

    def make(self, off: Sequence[str]) -> PassTrial:
        """Whatever TVM raises of a module that it does not expect becomes CannotRun."""
        built, watch = self._compile(off)
        try:
            executable, kernels = self.executable(built), watch.kernels()
        except CannotRun:
            raise
        except Exception as error:
            raise CannotRun(reason(error)) from error
        counts = {"kernels": kernels, "fusions": self.unfused - kernels}
        return PassTrial(
            executable, counts, lambda name: str(watch.after.get(name, watch.whole).script(show_meta=False))
        )

    def by_hand(self, off: Sequence[str]) -> str:
        """What TVM has for it: names alone, of passes in a tvm.transform.Sequential."""
        names = sorted({name.partition("#")[0] for name in off})
        covered = [name for name in self.by_name if name.partition("#")[0].removeprefix(_INSIDE) in names]
        return f"tvm.transform.PassContext(opt_level=3, disabled_pass={names})" + beside(self.names, off, covered)

    def _compile(self, off: Sequence[str]) -> tuple[Any, Any]:
        watch = _watch(set(off))
        with tvm.transform.PassContext(opt_level=3, instruments=[watch]):
            try:
                fused = fuse(self.traced, self.target, self.steps)
                return build(schedule(fused), self.target), watch.told
            except Exception as error:
                raise CannotRun(reason(error)) from error


class _PassLog:
    """The pass instrument's log: the module after each pass, or where it was skipped; the last in Relax and TIR."""

    def __init__(self) -> None:
        self.after: dict[str, tvm.IRModule] = {}
        self.whole: tvm.IRModule | None = None
        self.by_name: dict[str, None] = {}  # the passes for which a Sequential looks into the context's disabled_pass

    def keep(self, name: str, module: tvm.IRModule) -> None:
        """The module as it now is."""
        self.after[name] = module
        if any(isinstance(one, relax.Function) for one in module.functions.values()) and _tir(module):
            self.whole = module

    def kernels(self) -> int:
        """How many functions become kernels."""
        if self.whole is None:
            raise CannotRun("expected a module of Relax and tensor IR after some pass, there was none")
        return len(_tir(self.whole))


def _tir(module: Any) -> list[Any]:
    """The functions that become kernels."""
    return [one for one in module.functions.values() if isinstance(one, tvm.tirx.PrimFunc)]


def _watch(off: set[str]) -> Any:
    """The instrument: an outermost pass has a name of its own, and is skipped where that is in `off`."""

    @pass_instrument
    class Watch:
        """Told by TVM of every pass, and asked whether it should run."""

        def __init__(self) -> None:
            self.told, self.named = _PassLog(), Numbering()
            self.running: list[str | None] = []  # None: a group
            self.called: list[str] = []  # the same, as TVM calls them

        def should_run(self, module: tvm.IRModule, info: Any) -> bool:
            if info.name in _GROUPS:
                return True
            inside = any(self.running)
            self.pass_name = _INSIDE + info.name if inside else self.named(info.name)
            if self.called[-1:] == [_SEQUENTIAL]:
                self.told.by_name[self.pass_name] = None
            if inside:
                return True
            if self.pass_name in off:
                self.told.keep(self.pass_name, module)
            return self.pass_name not in off

        def run_before_pass(self, module: tvm.IRModule, info: Any) -> None:
            inside = info.name in _GROUPS or any(self.running)
            self.called.append(info.name)
            self.running.append(None if inside else self.pass_name)

        def run_after_pass(self, module: tvm.IRModule, info: Any) -> None:
            name = self.running.pop()
            self.called.pop()
            if name is not None:
                self.told.keep(name, module)

    return Watch()
