"""Triton's IR: the MLIR of its dialects, and the LLVM IR that it comes to, of one kernel each."""

from __future__ import annotations

import re
from dataclasses import replace

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import of_kernel
from oneblock.compilers.dialects._mlir import NOISE

# An operation with its dialect's name, "%1, %2 = arith.addf ..." or "tt.store ..."; what only frames others is none.
_MLIR = re.compile(r"^\s*(?:%[^=]*= )?\"?([a-z]\w*\.[\w.]+)")
_FRAMES = re.compile(
    r"^(?:scf|cf|func|builtin)\.|\.(?:func|module|br|cond_br|unreachable|mlir\.\w+|(?:\w+_)?(?:return|yield))$"
)
_LLVM = re.compile(
    r"^  (?:%[\w.\"$-]+ = |(?:(?:tail|musttail|notail) )?call |store |fence |atomicrmw |cmpxchg |br |switch )"
)


def _mlir(line: str) -> bool:
    found = _MLIR.match(line)
    return found is not None and _FRAMES.search(found[1]) is None


def _llvm(line: str) -> bool:
    return _LLVM.match(line) is not None and "@llvm.dbg." not in line


_TTIR = Dialect(
    ("ttir",),
    (Stage.LOWERED, Stage.KERNEL),
    reader=of_kernel(_mlir),
    opcode=_opcodes.mlir,
    noise=NOISE,
    lexer=_lexer.MLIR,
    words=_words.TRITON,
)
DIALECTS = (
    _TTIR,
    replace(_TTIR, names=("ttgir", "mlir"), stages=(Stage.OPTIMIZED,)),
    Dialect(
        ("llir",), (Stage.KERNEL,), reader=of_kernel(_llvm), opcode=_opcodes.llvm, lexer=_lexer.LLVM, words=_words.LLVM
    ),
)
