"""Lines of Inductor's stages: its scheduler's nodes and its source, by the comments `# step: rope+attention`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines, Steps, named

_SAID = re.compile(r"^\s*(?:#|//) step: ([\w+]+)\s*$")

# ---------------------------------------------------------------- Inductor's nodes: scheduler, scheduler-fused

_BODY = re.compile(r"^\s+(?:[\w, ()]+ = )?ops\.\w+\(")
_SCHEDULED = re.compile(r"^\w+: (?!Fused)\w*SchedulerNode\(")


def _scheduler(_: str, text: str, context: Context) -> Lines:
    """Blocks, each of one node, or of several that are fused, under a comment with its steps."""
    steps: list[Steps] = []
    operations: list[bool] = []
    now: Steps = ()
    for line in text.splitlines():
        if said := _SAID.match(line):
            now = named(said[1], context.steps)
        steps.append(now if line.strip() else ())
        operations.append(bool(_BODY.match(line) or _SCHEDULED.match(line)))
    return Lines(tuple(steps), tuple(operations))


# ---------------------------------------------------------------- Inductor's source: kernels, and what calls them

_DEFINITION = re.compile(r"^(\w+) = async_compile\.(\w+)\(")
_CALL = re.compile(
    r"^\s+(?:\w+(?:, \w+)* = )?((?:extern_kernels|aten|inductor_ops|torch\.ops(?:\.\w+)+)\.\w+(?:\.\w+)*|\w+)\("
)
_RUN = re.compile(r"^\s+(\w+)\.run\(")
_LAST = re.compile(r"^    inductor_cpu_integer_div_error_flag = nullptr;")  # what follows the loop nests
_FRAME = re.compile(
    r"^(?:[{}#@/'\"]|for\b|if\b|else\b|while\b|return\b|import\b|from\b|def\b|extern\b|template\b|using\b|pass\b|"
    r"int tid\b|std::atomic<int> inductor_|inductor_cpu_|alignas\b|triton_helpers\.set_driver|"
    r"(?:const )?[\w:]+(?:<[^=]*>)? \w+(?:\[[^=]*\])?;|(?:float|bool|int\w*|at::vec::\w+<[^=]*>) tmp_acc\w* = )"
)
_CONSTANT = re.compile(r"^\w+(?: ?: tl\.constexpr)? = [\w.+-]+$")


@dataclass
class _Kernel:
    """A kernel's definition in the text."""

    name: str
    lines: range  # from its name to the end of its source
    steps: Steps = ()  # of all its calls

    def each(self, lines: Sequence[str], context: Context) -> Iterator[Steps]:
        """The steps of each line: of the loop nest in which it is, where the nests of the definition tell."""
        said = {i: named(found[1], context.steps) for i in self.lines if (found := _SAID.match(lines[i]))}
        if {step for of in said.values() for step in of} != set(self.steps):
            said = {}  # it serves other calls than the one for which it was written
        now = self.steps
        for i in self.lines:
            now = said.get(i, self.steps if _LAST.match(lines[i]) else now)
            yield now


def _inductor(_: str, text: str, context: Context) -> Lines:
    """A kernel is of what is said above it and above its calls; a call of a library of what is above that."""
    lines = text.splitlines()
    kernels = {one.name: one for one in _definitions(lines)}
    for name, of in _serves(lines, kernels, context).items():
        kernels[name].steps = of
    steps: list[Steps] = [()] * len(lines)
    operations = [False] * len(lines)
    now: Steps | None = None
    for i, line in enumerate(lines):
        if said := _SAID.match(line):
            now = steps[i] = named(said[1], context.steps)
        elif _DEFINITION.match(line):
            now = None
        elif called := _called(line, kernels):
            own = kernels[called].steps if called in kernels else ()
            steps[i], operations[i], now = own if now is None else now, True, None
    for kernel in kernels.values():
        inside = False
        for i, of in zip(kernel.lines, kernel.each(lines, context), strict=True):
            steps[i], operations[i] = of, inside and _computes(lines[i])
            inside = inside or lines[i].startswith(("def ", "{"))
    return Lines(tuple(steps), tuple(operations))


def _definitions(lines: Sequence[str]) -> Iterator[_Kernel]:
    name, first = "", 0
    for i, line in enumerate(lines):
        if not name and (defined := _DEFINITION.match(line)):
            name, first = defined[1], i
        if name and (line.startswith("'''") or i == len(lines) - 1):
            yield _Kernel(name, range(first, i + 1))
            name = ""


def _serves(lines: Sequence[str], kernels: Collection[str], context: Context) -> dict[str, Steps]:
    """The steps of each kernel: of its definition and calls, or, where the text is older than that, of the context."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, of in _told(lines, kernels):
        found[name] |= set(named(of, context.steps))
    return {
        name: tuple(s for s in context.steps if s in found[name])
        or tuple(s for s in context.kernels.get(name, ()) if s in context.steps)
        for name in kernels
    }


def _told(lines: Sequence[str], kernels: Collection[str]) -> Iterator[tuple[str, str]]:
    """(kernel, what the last comment said) of each definition and each call."""
    said = ""
    for line in lines:
        if comment := _SAID.match(line):
            said = comment[1]
        elif name := _defined(line) or _called(line, kernels):
            if name in kernels:
                yield name, said
            said = ""


def _defined(line: str) -> str | None:
    """The kernel that begins here."""
    found = _DEFINITION.match(line)
    return found[1] if found else None


def _called(line: str, kernels: Collection[str]) -> str | None:
    """The kernel, or the operation of a library, that a line of the calling function starts."""
    if (run := _RUN.match(line)) and run[1] in kernels:
        return run[1]
    call = _CALL.match(line)
    return call[1] if call is not None and (call[1] in kernels or "." in call[1]) else None


def _computes(line: str) -> bool:
    """Of a kernel's own line, in C++ or in Triton."""
    code = line.strip()
    return ("=" in code or "(" in code) and not _FRAME.match(code) and not _CONSTANT.match(code)


_SCHEDULER = Dialect(
    ("scheduler",), (Stage.LOWERED,), reader=_scheduler, opcode=_opcodes.python, lexer=_lexer.PYTHON, words=_words.TORCH
)
DIALECTS = (
    _SCHEDULER,
    replace(_SCHEDULER, names=("scheduler-fused",), stages=(Stage.OPTIMIZED,)),
    Dialect(
        ("inductor",),
        (Stage.KERNEL,),
        reader=_inductor,
        opcode=_opcodes.python,
        lexer=_lexer.PYTHON_WITH_C,
        words=_words.TORCH,
    ),
)
