"""Lines of Triton's stages: tables of launches, and the text of one kernel, which is of the steps of its launches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from oneblock.compilers.dialects._context import named
from oneblock.compilers.dialects._lines import Context, Lines, Steps
from oneblock.compilers.dialects.llvm import steps_of

# An operation with its dialect's name, "%1, %2 = arith.addf ..." or "tt.store ..."; what only frames others is none.
_MLIR = re.compile(r"^\s*(?:%[^=]*= )?\"?([a-z]\w*\.[\w.]+)")
_FRAMES = re.compile(
    r"^(?:scf|cf|func|builtin)\.|\.(?:func|module|br|cond_br|unreachable|mlir\.\w+|(?:\w+_)?(?:return|yield))$"
)
_LLVM = re.compile(
    r"^  (?:%[\w.\"$-]+ = |(?:(?:tail|musttail|notail) )?call |store |fence |atomicrmw |cmpxchg |br |switch )"
)
_PTX = re.compile(r"^\s*(?:@!?%?\w+\s+)?[a-z][\w.:]*(?:\s[^;]*)?;")
_RETURNS = re.compile(r"^\s*(?:@!?%?\w+\s+)?(?:ret|exit)\b")
_SASS = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+\{?\s*(?:@!?\w+\s+)?([A-Z]\w*)")
_AMD = re.compile(r"^\s+([a-z]\w+)(?:\s|$)")
_NO_WORK = {"NOP", "EXIT", "RET", "s_endpgm", "s_nop", "s_code_end"}
_ENTRY = re.compile(r"^(?:(?:\.visible )?\.entry ([\w$]+)|([\w.$]+):)")
_CANDIDATES = re.compile(r"^launch [\d, ]+: (\S+)")
_CANDIDATE = re.compile(r"^\d+ ")


def _mlir(line: str) -> bool:
    found = _MLIR.match(line)
    return found is not None and _FRAMES.search(found[1]) is None


def _llvm(line: str) -> bool:
    return _LLVM.match(line) is not None and "@llvm.dbg." not in line


def _ptx(line: str) -> bool:
    return _PTX.match(line) is not None and _RETURNS.match(line) is None


def _sass(line: str) -> bool:
    found = _SASS.match(line)
    return found is not None and found[1] not in _NO_WORK


def _amdgcn(line: str) -> bool:
    found = _AMD.match(line)
    return found is not None and found[1] not in _NO_WORK


def _of_kernel(is_operation: Callable[[str], bool]) -> Callable[[str, str, Context], Lines]:
    def read(name: str, text: str, context: Context) -> Lines:
        lines = text.splitlines()
        of = (_steps(name, context),) * len(lines) if name else tuple(_by_entry(lines, context))
        return Lines(of, tuple(map(is_operation, lines)), "kernel")

    return read


def _by_entry(lines: Sequence[str], context: Context) -> Iterator[Steps]:
    """Of a text of several kernels, as TVM's is, each from its entry on."""
    now: Steps = ()
    for line in lines:
        entry = _ENTRY.match(line)
        of = steps_of(entry[1] or entry[2], context.kernels) if entry else None
        now = now if of is None else named("+".join(of), context.steps)
        yield now


def _steps(name: str, context: Context) -> Steps:
    """Of a kernel; one that is numbered, "linear.2", in a record that has only the name: of all with that name."""
    kernel = name.partition(":")[0]  # of "mlir:KERNEL:012.after.Pass"
    found = context.kernels.get(kernel) or context.kernels.get(re.sub(r"\.\d+$", "", kernel), ())
    return tuple(step for step in found if step in context.steps)


def _table(_: str, text: str, context: Context) -> Lines:
    """Rows under a header, where one column is the step: the launches, and what is known of each kernel."""
    lines = text.splitlines()
    start = lines[0].find("step ") if lines else -1
    if start < 0:
        return Lines(((),) * len(lines), (False,) * len(lines))
    rows = [False, *(bool(line.strip()) for line in lines[1:])]
    steps = [
        named(re.split(r"\s", line[start:], maxsplit=1)[0], context.steps) if row else ()
        for line, row in zip(lines, rows, strict=True)
    ]
    return Lines(tuple(steps), tuple(rows))


def _choices(_: str, text: str, context: Context) -> Lines:
    """Under each launch, or each kernel of Inductor's, what it might have been: none of it computes anything."""
    steps: list[Steps] = []
    now: Steps = ()
    for line in text.splitlines():
        if launch := _CANDIDATES.match(line):
            now = named(launch[1], context.steps)
        elif line[:1].strip() and not _CANDIDATE.match(line):
            now = _steps(line.strip(), context)
        steps.append(now if line.strip() else ())
    return Lines(tuple(steps), (False,) * len(steps))


READERS = {
    "launches": _table,
    "kernels": _table,
    "choices": _choices,
    "ttir": _of_kernel(_mlir),
    "ttgir": _of_kernel(_mlir),
    "mlir": _of_kernel(_mlir),
    "llir": _of_kernel(_llvm),
    "ptx": _of_kernel(_ptx),
    "sass": _of_kernel(_sass),
    "amdgcn": _of_kernel(_amdgcn),
}
