"""StableHLO: an operation is of its location's step, or of the step that calls its function."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._attribution import LineAttribution, one
from oneblock.compilers.dialects._dialect import Dialect, File
from oneblock.compilers.dialects._lines import Context, Lines
from oneblock.compilers.dialects._mlir import FUNCTION, NOISE
from oneblock.compilers.hlo.steps import step_in

_LOCATION = re.compile(r'loc\((#loc\d*|".*|callsite\(.*|fused<?.*)\)$')
_DEFINED = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"(:\d)?|(#loc\d*)\b')  # "file":line is no path of scopes
_OPERATION = re.compile(r'^\s*(?:%[^=]*= )?"?((?:stablehlo|mhlo|chlo|sdy|func|mosaic|shape)\.\w+|call)\b"?(?![ ]*:)')
_NOT_ONE = ("stablehlo.constant", "stablehlo.return", "func.func", "func.return", "sdy.mesh", "sdy.return")
_CALL = re.compile(r"\bcall @([\w.$\-]+)\(")


class _Locations:
    """The paths of scopes that locations stand for; a table of them stands at the end of the text."""

    def __init__(self, text: str, steps: Sequence[str]) -> None:
        found = (_DEFINED.match(line) for line in text.splitlines() if line.startswith("#loc"))
        self.table = {one[1]: one[2] for one in found if one}
        self.steps = steps
        self.known: dict[str, str | None] = {}

    def step(self, location: str) -> str | None:
        """Of the names in a location and in those that it refers to, the first that names a step."""
        for name, is_file, reference in _PIECE.findall(location):
            if reference and reference not in self.known:
                self.known[reference] = None  # also while it is looked up: a location that holds itself names nothing
                self.known[reference] = self.step(self.table.get(reference, ""))
            step = self.known[reference] if reference else None if is_file else step_in(name, self.steps)
            if step is not None:
                return step
        return None


def stablehlo(name: str, text: str, context: Context) -> Lines:
    """An operation is of its location's step, or of the step that calls its function; its region is its own."""
    locations, found = _Locations(text, context.steps), LineAttribution()
    open_: list[int] = []  # lines that opened a region which is not closed yet
    function, functions = "", list[str]()
    callers: dict[str, set[str]] = defaultdict(set)
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        place = _LOCATION.search(stripped)
        own = one(locations.step(place[1])) if place and not stripped.startswith("#loc") else ()
        if head := FUNCTION.match(line):
            function, own = head[1], ()
        operation = _OPERATION.match(line)
        found.add(own, operation is not None and operation[1] not in _NOT_ONE)
        functions.append("" if line.startswith(("#loc", "}")) else function)  # what stands behind the last
        if stripped.startswith("}") and open_:  # the location of what has a region stands behind it
            opened = open_.pop()
            found.steps[opened:] = [steps or own for steps in found.steps[opened:]]
            if stripped.endswith("{"):
                open_.append(opened)
        elif stripped.endswith("{"):
            open_.append(number)
        if called := _CALL.search(line):
            callers[called[1]] |= set(own or callers[function])
    users = {name: tuple(s for s in context.steps if s in of) for name, of in callers.items()}
    found.steps = [own or users.get(of, ()) for own, of in zip(found.steps, functions, strict=True)]
    return found.lines()


# Model Explorer takes a file by its ending, parses MLIR's text with the dialects stablehlo, chlo, func and sdy, and
# groups operations by the scopes in their locations: so the text as XLA was given it is all that it needs.
_README = """# StableHLO programs

Each file is what a compiler was given for one cell, as MLIR's text. Model Explorer opens them as they are:

    pip install "ai-edge-model-explorer>=0.1.34"    # Linux and macOS
    model-explorer NAME.mlir

Operations are grouped by the scopes in their locations: `jit(block)/attention` is the step "attention". The texts are
for reading; StableHLO promises compatibility of its bytecode, not of its text.
"""
DIALECTS = (
    Dialect(
        names=("stablehlo",),
        stages=(Stage.LOWERED,),
        reader=stablehlo,
        opcode=_opcodes.mlir,
        noise=NOISE,
        lexer=_lexer.MLIR,
        words=_words.HLO,
        file=File(".mlir", _README),
    ),
)
