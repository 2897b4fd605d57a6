"""Bundles of a TPU's instructions, as libtpu writes each kernel's, and its tables of VMEM's tenants."""

from __future__ import annotations

import re

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines

_BUNDLE = re.compile(r"^\s*0x[0-9a-f]+\s.*\{ \S")


def bundles(name: str, text: str, context: Context) -> Lines:
    """A kernel of the TPU: all of it is of the steps of its fusion, and a bundle that fills no slot is no operation."""
    steps = tuple(context.kernels.get(name, ()))
    every = text.splitlines()
    return Lines((steps,) * len(every), tuple(_BUNDLE.match(line) is not None for line in every), "kernel")


DIALECTS = (
    Dialect(
        ("bundles",),
        (Stage.MACHINE,),
        reader=bundles,
        opcode=_opcodes.python,
        lexer=_lexer.ASSEMBLY,
        words=_words.BUNDLES,
    ),
    Dialect(
        ("vmem-bufferinfo", "vmem-allocinfo", "vmem-scheduleinfo"), (Stage.MACHINE,), words=_words.BUNDLES
    ),  # who is in VMEM, and when
)
