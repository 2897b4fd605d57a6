"""Lines of PyTorch's graphs: FX by its annotations, and a listing of aten operations by the comment at its lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines, Steps, named

_COMMENT = re.compile(r"^\s*# (?:Annotation: \{[^{}]*'step': '([^']*)'|step: ([\w+]+)\s*$)")
_TRAILING = re.compile(r"  # (?:step: )?([\w+]+)$")
_NODE = re.compile(r"^\s+(\w+)(?:: \"[^\"]*\")? = (.+)$")
_ALIAS = re.compile(r"^(?:self\.)?[\w.]+(?:;.*)?$")  # a name for an argument, or for a constant that the module holds
_PLUMBING = re.compile(r"^(?:fx_pytree|pytree|self\._guards_fn)\b")
_NAME = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


@dataclass
class _Node:
    """One operation of a graph."""

    line: int
    operands: tuple[int, ...]  # operations before it, by their numbers
    steps: Steps


def _fx(_: str, text: str, context: Context) -> Lines:
    """What follows a comment of PyTorch's is of its annotation, up to the next comment or an empty line."""
    lines = text.splitlines()
    steps: list[Steps] = [()] * len(lines)
    nodes: list[_Node] = []
    numbers: dict[str, int] = {}
    now: Steps = ()
    for i, line in enumerate(lines):
        if not line.strip():
            now = ()
        elif line.lstrip().startswith("#"):
            said = _COMMENT.match(line)
            now = steps[i] = named(said[1] or said[2], context.steps) if said else ()
        elif (node := _NODE.match(line)) and not _ALIAS.match(node[2]) and not _PLUMBING.match(node[2]):
            own = _TRAILING.search(line)
            said_here = named(own[1], context.steps) if own else ()  # a remark may name none
            operands = (numbers[name] for name in _NAME.findall(node[2].partition(";")[0]) if name in numbers)
            nodes.append(_Node(i, tuple(operands), said_here or now))
            numbers[node[1]] = len(nodes) - 1
    for node_, of in zip(nodes, _between(nodes), strict=True):
        steps[node_.line] = node_.steps or of
    counted = {node_.line for node_ in nodes}
    return Lines(tuple(steps), tuple(i in counted for i in range(len(lines))))


def _between(nodes: Sequence[_Node]) -> list[Steps]:
    """For each: the step that all it comes from and all that comes of it agree on, if there is one.

    Operations that a pass put in the place of others lack the annotation. They read and feed operations that have it.
    """
    before: list[frozenset[str]] = []
    for node in nodes:
        before.append(_own(node) or _all(before[i] for i in node.operands))
    after: list[frozenset[str]] = [frozenset()] * len(nodes)
    for number in reversed(range(len(nodes))):
        for i in nodes[number].operands:
            after[i] |= _own(nodes[number]) or after[number]
    return [tuple(x) if x == y and len(x) == 1 else () for x, y in zip(before, after, strict=True)]


def _own(node: _Node) -> frozenset[str]:
    return frozenset(node.steps)


def _all(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _aten(_: str, text: str, context: Context) -> Lines:
    """Each operation with its step in a comment after it."""
    lines = text.splitlines()
    said = [_TRAILING.search(line) for line in lines]
    operations = tuple(" = " in line and not line.startswith("return ") for line in lines)
    return Lines(tuple(named(one[1], context.steps) if one else () for one in said), operations)


DIALECTS = (
    Dialect(
        ("fx", "fx-after"), (Stage.GRAPH,), reader=_fx, opcode=_opcodes.python, lexer=_lexer.PYTHON, words=_words.TORCH
    ),
    Dialect(("aten",), (Stage.GRAPH,), reader=_aten, opcode=_opcodes.python, lexer=_lexer.PYTHON, words=_words.TORCH),
)
