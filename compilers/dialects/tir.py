"""TVM: Relax by the names of its variables, TIR and what is made of it by the calls of its functions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import steps_of
from oneblock.compilers.dialects._lines import Context, Lines, Steps
from oneblock.compilers.dialects._noise import STRING, Names, Noise

CALLEE = re.compile(r"\bcls\.(\w+)")
DEFINITION = re.compile(r"^\s*def (\w+)\(")
_COMMENT = re.compile(r"# steps?: (.+)$")
_BINDING = re.compile(r"^\s+(\w+)(?:: .+?)? = (?=R\.|cls\.)(.+)$")
_NO_WORK = re.compile(r"R\.(?:const|shape|str|prim_value|null_value|dtype|builtin|memory|vm)\b")
_STATEMENT = re.compile(r"^\s+(?:\w+\[.*\] = |T\.(?:evaluate|call_|store|tvm_|nki\.)|T\.\w*(?:mma|memcpy|copy)\w*\()")
_TASK = re.compile(r"^# (\S+), called \d+ times")
_KERNEL = re.compile(
    r'^(?:extern "C" __global__ void (?:__launch_bounds__\([\d, ]+\) )?|__kernel void |kernel void |fn )(\w+)\s*\('
)
_C_LIKE = re.compile(r"^\s+(?!return\b|break\b|for\b|if\b|\w[\w ]*[ *]\w+(?:\[[^\]]*\])*;).*[=(].*;$")


def told(line: str) -> tuple[str, ...]:
    """The steps that a comment of ours names in a line."""
    found = _COMMENT.search(line)
    return tuple(found[1].split(", ")) if found else ()


def module(name: str, text: str, context: Context) -> Lines:
    """Functions of Relax and of TIR: an operation of Relax names its step, or the function that it calls does."""
    return _Module(text.splitlines(), context).lines()


class _Module:
    """A module's lines by function; what a function is called for is told above it, or by those who call it."""

    def __init__(self, every: Sequence[str], context: Context) -> None:
        self.every, self.context = every, context
        self.of: list[str] = []  # the function that each line is in
        self.relax: set[str] = set()
        self.told: dict[str, Steps] = {}
        self._split()
        self.own = [self._own(line) if of in self.relax else () for line, of in zip(every, self.of, strict=True)]
        self.called: dict[str, set[str]] = defaultdict(set)
        for _ in range(2):  # what a call is of, a function's own lines may tell; and the call then tells of those
            self._spread()

    def _split(self) -> None:
        start, comment, is_relax = 0, Steps(), False
        head = False  # whether the lines since `start` stand above a function that is still to come
        function = ""
        for number, line in enumerate(self.every):
            if line[:1].strip():
                function = ""
            begins = line.startswith("    @") or (line.startswith("    #") and bool(told(line)))
            if begins and not head:
                start, comment, head, is_relax = number, (), True, False
            if begins:
                comment = comment or (told(line) if line.startswith("    #") else ())
                is_relax |= line.startswith("    @R.function")
            self.of.append(function)
            defined = DEFINITION.match(line)
            if defined and head:
                function, head = defined[1], False
                self.told[function] = comment
                self.relax |= {function} if is_relax else set()
                self.of[start:] = [function] * (number + 1 - start)

    def _own(self, line: str) -> Steps:
        binding = _BINDING.match(line)
        if binding is None:
            return ()
        step = next((s for s in self.context.steps if binding[1] == s or binding[1].startswith(f"{s}_")), None)
        return told(line) or (() if step is None else (step,))

    def _spread(self) -> None:
        within: dict[str, set[str]] = defaultdict(set)
        for of, steps in zip(self.of, self.own, strict=True):
            within[of] |= set(steps) if of != "main" else set()
        for number, line in enumerate(self.every):
            callee = CALLEE.search(line) if self.of[number] in self.relax else None
            if callee and not self.own[number]:
                name = callee[1]
                known = self.told.get(name) or self.context.kernels.get(name) or tuple(within[name])
                self.own[number] = self._ordered(known or self.called[self.of[number]])
            if callee:
                self.called[callee[1]] |= set(self.own[number])

    def _ordered(self, steps: Sequence[str] | set[str]) -> Steps:
        return tuple(step for step in self.context.steps if step in steps)

    def _whole(self, function: str) -> Steps:
        """The steps of a function's lines that say nothing themselves."""
        if function in ("", "main"):
            return ()
        known = self.told.get(function) or self.called[function] or self.context.kernels.get(function, ())
        return self._ordered(known)

    def lines(self) -> Lines:
        """The result."""
        whole = {function: self._whole(function) for function in set(self.of)}
        operations = []
        for line, of in zip(self.every, self.of, strict=True):
            binding = _BINDING.match(line) if of in self.relax else None
            computes = binding is not None and not _NO_WORK.match(binding[2])
            operations.append(computes or (of not in self.relax and _STATEMENT.match(line) is not None))
        steps = [own or whole[of] for own, of in zip(self.own, self.of, strict=True)]
        return Lines(tuple(steps), tuple(operations))


def traces(name: str, text: str, context: Context) -> Lines:
    """What a search did to each function, below a title with its name."""
    steps: list[Steps] = []
    operations: list[bool] = []
    now: Steps = ()
    for line in text.splitlines():
        title = _TASK.match(line)
        now = tuple(context.kernels.get(title[1], ())) if title else now
        steps.append(now)
        operations.append(line.startswith("sch.") or " = sch." in line)
    return Lines(tuple(steps), tuple(operations))


def source(name: str, text: str, context: Context) -> Lines:
    """The source of a GPU's program: a kernel is named after the function that it was."""
    steps: list[Steps] = []
    operations: list[bool] = []
    now: Steps = ()
    inside = False
    for line in text.splitlines():
        head = _KERNEL.match(line)
        if head:
            now, inside = steps_of(head[1], context.kernels) or (), True
        steps.append(now)
        operations.append(inside and not head and _C_LIKE.match(line) is not None)
        if line.startswith("}") or (head and line.endswith(";")):  # a kernel that is only announced is over, too
            now, inside = (), False
    return Lines(tuple(steps), tuple(operations), "kernel")


# ---------------------------------------------------------------- noise

_BINDS = re.compile(r"^\s+(\w+)(?:: .+?)? = |^\s+((?:\w+, )+\w+) = T\.axis|^\s+for ((?:\w+, )*\w+) in ")
_PARAMETER = re.compile(r"(\w+): (?:R|T)\.")
_DEFINES = re.compile(r"^\s+def (\w+)\(")


def _without_digits(name: str) -> str:
    return re.sub(r"\d+$", "", name) or name


def _bound(line: str) -> list[tuple[str, str]]:
    found = _BINDS.match(line)
    groups = (group for group in (found.groups() if found else ()) if group)
    names = [name for group in groups for name in group.split(", ")]
    names += _PARAMETER.findall(line) if _DEFINES.match(line) else []
    return [(name, _without_digits(name)) for name in names]


def _operators(name: str) -> str:
    """`fused_matmul2_divide1` -> "fused_matmul_divide"."""
    return re.sub(r"(?<=[A-Za-z])\d+(?=_|$)", "", name)


def _defined(line: str) -> list[tuple[str, str]]:
    found = _DEFINES.match(line)
    return [(found[1], _operators(found[1]))] if found else []


_NOISE = Noise(
    dropped=re.compile(r"^(?:\s*#.*|\s*)$"),
    scrubbed=((re.compile(r"  # steps?: .*$"), ""),),
    names=(
        Names(
            token=re.compile(rf"{STRING}|(?<![\w.@])(?P<name>[A-Za-z_]\w*)(?![\w(=.])"),
            made=_bound,
            base=_without_digits,
            foreign=re.compile(r"[A-Za-z_]\w*\d"),
            scope=_DEFINES,
        ),
        Names(
            token=re.compile(rf"{STRING}|(?:\bcls\.|\bdef )(?P<name>\w+)"),
            made=_defined,
            base=_operators,
            foreign=re.compile(r"\w+"),
        ),
    ),
)

_MODULE = Dialect(
    names=("relax",),
    stages=(Stage.GRAPH,),
    reader=module,
    opcode=_opcodes.python,
    noise=_NOISE,
    lexer=_lexer.PYTHON,
    words=_words.TVM,
)
DIALECTS = (
    _MODULE,
    replace(_MODULE, names=("tir",), stages=(Stage.LOWERED,)),
    replace(_MODULE, names=("tir-scheduled", "tvm"), stages=(Stage.OPTIMIZED,)),
    Dialect(
        ("traces",), (Stage.OPTIMIZED,), reader=traces, opcode=_opcodes.python, lexer=_lexer.PYTHON, words=_words.TVM
    ),
    Dialect(
        ("cuda", "opencl", "metal", "webgpu"),
        (Stage.KERNEL,),
        reader=source,
        opcode=_opcodes.python,
        lexer=_lexer.PYTHON_WITH_C,
    ),
)
