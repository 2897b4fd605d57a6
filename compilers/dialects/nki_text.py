"""Lines of NKI's stages: the calls, the instructions by source line and one by one, and the kernels' sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines, Steps, named
from oneblock.compilers.dialects._opcodes import first

_ROW = re.compile(r"^ *\d+  (\S+) ")  # of the calls: number, step
_TITLE = re.compile(r"^# call \d+, step (\S+): ")
_PLACED = re.compile(r"^\S+:\d+ +\S+")  # of the trace: source line, instruction
_ISSUED = re.compile(r"^ *\d+ +[\d.]+ +[\d.]+ +[\d.]+ ")  # of the instructions: number and times
_PLACE = re.compile(r"^((\w+\.py):\d+) ")
_TRACED = re.compile(r"^\S+:\d+\s+([a-z]\w*(?:\.\w+)*)")
_Function = ast.FunctionDef


def _calls(_: str, text: str, context: Context) -> Lines:
    rows = [_ROW.match(line) for line in text.splitlines()]
    steps = tuple(named(row[1], context.steps) if row else () for row in rows)
    return Lines(steps, tuple(row is not None for row in rows))


def _trace(_: str, text: str, context: Context) -> Lines:
    """Each row is of the call under whose title it stands."""
    steps: list[Steps] = []
    operations: list[bool] = []
    now: Steps = ()
    for line in text.splitlines():
        if title := _TITLE.match(line):
            now = named(title[1], context.steps)
        steps.append(now if line.strip() else ())
        operations.append(_PLACED.match(line) is not None)
    return Lines(tuple(steps), tuple(operations))


def _instructions(name: str, text: str, context: Context) -> Lines:
    """All are of the one call that the name numbers."""
    lines = text.splitlines()
    of = named("+".join(context.kernels.get(name, ())), context.steps)
    return Lines((of,) * len(lines), tuple(_ISSUED.match(line) is not None for line in lines), "kernel")


def kernels(text: str, steps: Sequence[str], beside: Collection[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The steps of each file and line of NKI's sources: of the calls in which they issued something."""
    step = ""
    for line in text.splitlines():
        if call := _TITLE.match(line):
            step = call[1]
        elif place := _PLACE.match(line):
            yield place[1], [step]
            yield place[2], [step]


def _column(line: str) -> str | None:
    """Of the table of calls: number, step, kernel."""
    words = line.split()
    return words[2] if len(words) > 2 else None


# ---------------------------------------------------------------- sources


@dataclass(frozen=True)
class _Source:
    """A file of kernels: its functions, and the names of whatever issues instructions when it is called."""

    name: str
    functions: Mapping[str, _Function]
    issuing: frozenset[str]  # "nisa" of "nisa.dma_copy(...)", and functions of its own or of another file's


def _nki(name: str, text: str, context: Context) -> Lines:
    """A statement that issues instructions is of the steps in which its line did, or else of its function's.

    Functions that none of the calls reached are no operations here, where it is known which were reached.
    """
    count = len(text.splitlines())
    steps: list[Steps] = [()] * count
    operations = [False] * count
    unreached: set[int] = set()
    source = _parsed(name, text)
    serves = _serves(source, context)
    known = any(serves.values())
    for function_name, function in source.functions.items():
        of = serves[function_name]
        _fill(steps, function.lineno, function.end_lineno, of)
        for statement in _statements(function):
            if not _called(statement) & source.issuing or statement.lineno > count:
                continue
            if known and not of:
                unreached.add(statement.lineno)
                continue
            operations[statement.lineno - 1] = True
            _fill(steps, statement.lineno, statement.end_lineno, _traced(source, statement, context) or of)
    return Lines(tuple(steps), tuple(operations), "kernel", len(unreached))


def _fill(steps: list[Steps], first: int, last: int | None, of: Steps) -> None:
    for i in range(first - 1, min(last or first, len(steps))):
        steps[i] = of


def _parsed(name: str, text: str) -> _Source:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # no Python, or not of this version
        return _Source(name, {}, frozenset())
    functions = {node.name: node for node in tree.body if isinstance(node, _Function)}
    issuing = set(functions)
    for node in tree.body:
        if isinstance(node, ast.Import):
            issuing |= {alias.asname or alias.name for alias in node.names if alias.name.endswith(".isa")}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("nki"):
            issuing |= {alias.asname or alias.name for alias in node.names}
    return _Source(name, functions, frozenset(issuing))


def _statements(function: _Function) -> Iterator[ast.stmt]:
    """Those that are not made of others."""
    for node in ast.walk(function):
        if isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return):
            yield node


def _called(node: ast.AST) -> set[str]:
    """The first name of each call: of "nisa.dma_copy(...)" "nisa"."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            target = one.func
            while isinstance(target, ast.Attribute):
                target = target.value
            if isinstance(target, ast.Name):
                found.add(target.id)
    return found


def _traced(source: _Source, node: ast.stmt, context: Context) -> Steps:
    """The steps in which something was issued from these lines."""
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    found = {step for i in lines for step in context.kernels.get(f"{source.name}.py:{i}", ())}
    return tuple(step for step in context.steps if step in found)


def _serves(source: _Source, context: Context) -> dict[str, Steps]:
    """Of each function: the steps of its own lines, and as a kernel; of one without, those of its callers here."""
    found = {
        name: {*_traced(source, function, context), *context.kernels.get(name, ())} & set(context.steps)
        for name, function in source.functions.items()
    }
    silent = {name for name, function in source.functions.items() if not _traced(source, function, context)}
    calls = [(name, other) for name, function in source.functions.items() for other in _called(function) & silent]
    for _ in range(len(calls)):  # as deep as calls can go
        told = [(other, found[name] - found[other]) for name, other in calls if found[name] - found[other]]
        for other, of in told:
            found[other] |= of
        if not told:
            break
    return {name: tuple(step for step in context.steps if step in of) for name, of in found.items()}


DIALECTS = (
    Dialect(("nki-calls",), (Stage.GRAPH,), reader=_calls, opcode=_column, words=_words.NKI),
    Dialect(("nki-trace",), (Stage.MACHINE,), reader=_trace, opcode=first(_TRACED), kernels=kernels, words=_words.NKI),
    Dialect(("instructions",), (Stage.MACHINE,), reader=_instructions, opcode=_opcodes.python, words=_words.NKI),
    Dialect(("nki",), (Stage.KERNEL,), reader=_nki, opcode=_opcodes.python, lexer=_lexer.PYTHON, words=_words.NKI),
    Dialect(("perfetto",), (Stage.MACHINE,), lexer=_lexer.JSON, timeline=True),
)
