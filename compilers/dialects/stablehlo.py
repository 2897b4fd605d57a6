"""Lines of what XLA is given and what it makes for a TPU: jaxprs, PyTorch/XLA's lazy graph, StableHLO, bundles."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from oneblock.compilers.dialects._lines import Context, Lines, Steps
from oneblock.compilers.hlo.steps import step_in

_EQUATION = re.compile(r"^\s*(?:\S.*:\S.* )?(?:=|<-|\+=) \S|^\s*\S+\[.*\] (?:<-|\+=) \S")
_SCOPE = re.compile(r" # \[([^#]*)\]$")
_NAMED_JAXPR = re.compile(r"^(?:let )?(\w+) = \{ lambda ")
_USED_JAXPR = re.compile(r"^\s*\w*jaxpr=(\w+)$")
_LAZY = re.compile(r"^\s*%\d+ = \S+ ([\w:]+)\(")
_LAZY_SCOPE = re.compile(r"\bscope=([^,\s]+)")
_BUNDLE = re.compile(r"^\s*0x[0-9a-f]+\s.*\{ \S")


@dataclass
class _Found:
    """What is known of a text's lines so far."""

    steps: list[Steps] = field(default_factory=list)
    operations: list[bool] = field(default_factory=list)

    def add(self, steps: Steps, operation: bool) -> None:
        self.steps.append(steps)
        self.operations.append(operation)

    def lines(self) -> Lines:
        return Lines(tuple(self.steps), tuple(self.operations))


# ---------------------------------------------------------------- jaxpr


def jaxpr(name: str, text: str, context: Context) -> Lines:
    """An equation is of its scope's step or of the equation that holds it; so are the lines over which it goes on."""
    found = _Found()
    open_: list[tuple[int, Steps]] = []  # equations by their indentation, the outermost first
    region = ""  # a jaxpr that is printed once, above those that use it
    regions: list[str] = []
    used: dict[str, set[str]] = defaultdict(set)
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        named = _NAMED_JAXPR.match(line)
        if named or line.startswith(("{ lambda", "in {")):
            region, open_ = (named[1] if named else ""), []
        while open_ and (open_[-1][0] > indent or (open_[-1][0] == indent and line.lstrip()[:1] not in "]})")):
            open_.pop()
        steps = open_[-1][1] if open_ else ()
        operation = _EQUATION.match(line) is not None and not named
        if operation:
            scope = _SCOPE.search(line)
            steps = steps or _one(step_in(scope[1] if scope else "", context.steps))
            open_.append((indent, steps))
        elif user := _USED_JAXPR.match(line):
            used[user[1]] |= set(steps)
        found.add(steps, operation)
        regions.append(region)
    users = {name: tuple(s for s in context.steps if s in of) for name, of in used.items()}
    found.steps = [own or users.get(of, ()) for own, of in zip(found.steps, regions, strict=True)]
    return found.lines()


def _one(step: str | None) -> Steps:
    return () if step is None else (step,)


# ---------------------------------------------------------------- StableHLO

_LOCATION = re.compile(r'loc\((#loc\d*|".*|callsite\(.*|fused<?.*)\)$')
_DEFINED = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"(:\d)?|(#loc\d*)\b')  # "file":line is no path of scopes
_OPERATION = re.compile(r'^\s*(?:%[^=]*= )?"?((?:stablehlo|mhlo|chlo|sdy|func|mosaic|shape)\.\w+|call)\b"?(?![ ]*:)')
_NOT_ONE = ("stablehlo.constant", "stablehlo.return", "func.func", "func.return", "sdy.mesh", "sdy.return")
_FUNCTION = re.compile(r"^\s*func\.func .*?@([\w.$\-]+)\(")
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
    locations, found = _Locations(text, context.steps), _Found()
    open_: list[int] = []  # lines that opened a region which is not closed yet
    function, functions = "", list[str]()
    callers: dict[str, set[str]] = defaultdict(set)
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        place = _LOCATION.search(stripped)
        own = _one(locations.step(place[1])) if place and not stripped.startswith("#loc") else ()
        if head := _FUNCTION.match(line):
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


# ---------------------------------------------------------------- others


def lazy_ir(name: str, text: str, context: Context) -> Lines:
    """A node of PyTorch/XLA's graph is of the scope that it was recorded in."""
    found = _Found()
    for line in text.splitlines():
        node, scope = _LAZY.match(line), _LAZY_SCOPE.search(line)
        is_one = node is not None and node[1] not in ("xla::device_data", "prim::Constant")
        found.add(_one(step_in(scope[1], context.steps)) if scope else (), is_one)
    return found.lines()


def bundles(name: str, text: str, context: Context) -> Lines:
    """A kernel of the TPU: all of it is of the steps of its fusion, and a bundle that fills no slot is no operation."""
    steps = tuple(context.kernels.get(name, ()))
    every = text.splitlines()
    return Lines((steps,) * len(every), tuple(_BUNDLE.match(line) is not None for line in every), "kernel")


READERS = {"jaxpr": jaxpr, "stablehlo": stablehlo, "lazy-ir": lazy_ir, "bundles": bundles}
