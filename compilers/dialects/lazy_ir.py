"""PyTorch/XLA's lazy graph, as it is printed."""

from __future__ import annotations

import re

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._attribution import LineAttribution, one
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines
from oneblock.compilers.hlo.steps import step_in

_LAZY = re.compile(r"^\s*%\d+ = \S+ ([\w:]+)\(")
_LAZY_SCOPE = re.compile(r"\bscope=([^,\s]+)")


def lazy_ir(name: str, text: str, context: Context) -> Lines:
    """A node of PyTorch/XLA's graph is of the scope that it was recorded in."""
    found = LineAttribution()
    for line in text.splitlines():
        node, scope = _LAZY.match(line), _LAZY_SCOPE.search(line)
        is_one = node is not None and node[1] not in ("xla::device_data", "prim::Constant")
        found.add(one(step_in(scope[1], context.steps)) if scope else (), is_one)
    return found.lines()


DIALECTS = (
    Dialect(("lazy-ir",), (Stage.GRAPH,), reader=lazy_ir, opcode=_opcodes.python, lexer=_lexer.HLO, words=_words.HLO),
)
