"""Triton's kernels with some of the passes of its pipeline left out, and what their machine code then counts.

Triton builds its pipelines in Python: each pass is added by a function `add_NAME(pass manager, ...)`. A pass is left
out by not calling it. What follows still runs, down to PTX or AMD's code, so that registers, spills and shared memory
are the compiler's own. Numbers are not to be had so: nothing runs what was compiled without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from triton._C import libtriton

from oneblock.compilers.api.passes import CannotRun, Numbering, PassTrial, beside, environment, reason, replaced
from oneblock.compilers.triton.built import BuiltKernel
from oneblock.compilers.triton.lowering import CannotBuild, Source, build

_PREFIX = "add_"
_CONVERSION = "ttg.convert_layout"


class TritonPasses:
    """The passes of several kernels, which have one pipeline, up to LLVM IR."""

    counts: tuple[str, ...] = (
        "registers", "spill_bytes", "shared_bytes", "machine_instructions", "matrix_instructions", "layout_conversions",
        "operations",
    )  # fmt: skip
    how = (
        "a pass is left out where Triton's Python adds it to a pipeline (`passes.ttgpuir.add_coalesce` and its like). "
        "Counts are sums over the kernels; what converts to LLVM IR, and what follows it, are never off"
    )

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.added: list[str] = []
        self.later: dict[str, None] = {}  # names, without numbers, of what is added on the way to LLVM IR
        self.make(())
        self.names = tuple(self.added)

    def make(self, off: Sequence[str]) -> PassTrial:
        """Every kernel built anew, in an empty cache."""
        built: list[BuiltKernel] = []
        for source in self.sources:
            added: list[str] = []
            watching = _left_out(set(off), added, self.later)
            try:
                # In an empty cache: a kernel that Triton knows runs no pass.
                with TemporaryDirectory() as cache, environment("TRITON_CACHE_DIR", cache), watching:
                    built.append(build(source))
            except CannotBuild as error:
                raise CannotRun(str(error)) from error
            except Exception as error:  # a pass that expects another before it
                raise CannotRun(reason(error)) from error
            self.added = max(self.added, added, key=len)
        return PassTrial(None, _counts(built), lambda _: "".join(map(_text, built)))

    def by_hand(self, off: Sequence[str]) -> str:
        """A line for the start of a script; Triton has no flag for it, and one function adds every pass of a name."""
        if not off:
            return "(nothing is off)"
        functions = dict.fromkeys(_PREFIX + _function(name) for name in off)
        places = [f"{owner.__name__}.{name}" for name in functions for owner in _owners() if hasattr(owner, name)]
        covered = [name for name in self.names if _PREFIX + _function(name) in functions]
        covered += [f"{name} on the way to LLVM IR" for name in self.later if _PREFIX + name in functions]
        line = f"import triton._C.libtriton; {' = '.join(places)} = lambda *_: None"
        said = beside(self.names, off, covered).strip()
        return f"{line}  # {said}" if said else line


def _function(name: str) -> str:
    return name.partition("#")[0]


def _counts(built: Sequence[BuiltKernel]) -> dict[str, float]:
    found = dict.fromkeys(TritonPasses.counts, 0.0)
    for one in built:
        text = _text(one)
        found["registers"] += one.registers
        found["spill_bytes"] += one.spill_bytes
        found["shared_bytes"] += one.shared_bytes
        found["machine_instructions"] += one.machine_instructions
        found["matrix_instructions"] += sum(
            n for name, n in one.instructions.items() if name.startswith(("mma", "wgmma", "tcgen05.mma", "mfma"))
        )
        found["layout_conversions"] += text.count(_CONVERSION)
        found["operations"] += sum(" = " in line for line in text.splitlines() if not line.startswith("#"))
    return found


def _text(built: BuiltKernel) -> str:
    return built.texts["ttgir"]


@contextmanager
def _left_out(off: set[str], added: list[str], later: dict[str, None]) -> Iterator[None]:
    """While these passes are not added to any pipeline; `added` gets the name of each that Triton asks for.

    From the first conversion to LLVM's dialect on, all are added: each expects what the one before it leaves. Their
    names go into `later`.
    """
    named, converting = Numbering(), Event()

    def watched(name: str, add: Callable[..., Any], *, converts: bool) -> Callable[..., Any]:
        def unless_off(*args: Any) -> None:
            if converts:
                converting.set()
            if converting.is_set():
                later[name.removeprefix(_PREFIX)] = None
            else:
                added.append(named(name.removeprefix(_PREFIX)))
            if converting.is_set() or added[-1] not in off:
                add(*args)

        return unless_off

    with ExitStack() as stack:
        for owner in _owners():
            converts = owner is libtriton.passes.convert
            adding = {name: add for name, add in vars(owner).items() if name.startswith(_PREFIX)}
            ours = {name: watched(name, add, converts=converts) for name, add in adding.items()}
            stack.enter_context(replaced(owner, ours))
        yield


def _owners() -> list[Any]:
    """The modules of functions that add a pass: Triton's own, NVIDIA's and AMD's."""
    groups = [libtriton.passes, libtriton.nvidia.passes, libtriton.amd.passes]
    names = ("common", "ttir", "ttgpuir", "ttnvgpuir", "hopper", "convert")
    return [getattr(group, name) for group in groups for name in names if hasattr(group, name)]
