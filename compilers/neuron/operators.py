"""Which operators the compiler of AWS Neuron names: its own answer where it is installed, else a list of 2022.

A name in a list is no promise for a shape or a type, and one that is missing no verdict: only the compiler gives one.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass

from oneblock.compilers.api.export import Mark

COMPILER = "neuronx-cc"
COMMAND = (COMPILER, "list-operators", "--framework", "XLA")
TARGETS = ("inf2", "trn1", "trn1n", "trn2")  # that `neuronx-cc compile --target` takes
TARGETS_SOURCE = "compiler/neuronx-cc/api-reference-guide/index.rst of the Neuron SDK 2.32.0, 2026-08-17"

# The table of XLA operators that ends this page, read on 2026-08-21: the only list in public. The page dates what the
# compiler learnt: BitcastConvertType is the last of these names, and nothing of the years since is among them.
PUBLISHED_SOURCE = (
    "the table of XLA operators in release-notes/components/compiler.rst (page of 2026-08-04), which came with "
    "compiler 2.1.0.76 on 2022-10-05; the last name was added with 2.6.0.19 on 2023-05-01"
)
_PUBLISHED = """
    Abs Add Allgather Allreduce Atan2 Batchnorm Batchnormgrad Batchnorminference BitcastConvertType Broadcast
    BroadcastInDim Ceil Clamp Compare Concatenate Constant ConstantLiteral ConvertElementType Cos Customcall Div Dot
    DotGeneral DynamicUpdateSlice Eq Exp Floor Gather Ge GetTupleElement Gt Iota Le Log LogicalAnd LogicalNot Lt Max Min
    Mul Ne Neg Pad Pow Reduce Reshape Rev RngBitGenerator RngUniform Rsqrt Scatter Select SelectAndScatter
    ShiftRightLogical Sign Sin Slice Sqrt Sub Tanh Transpose Tuple
"""
_CONDITIONS = {  # the table's notes, in short
    "DynamicUpdateSlice": "constant index only",
    "Gather": "start_index_map and remapped offset_dims disjoint only",
    "Pow": "integer constant exponent only (lifted by compiler 2.3.0.4, 2022-12-09)",
    "Reduce": "Min, Max, Add and Mul only, from a constant",
    "RngBitGenerator": "ignores the seed (takes one of 32 bits since compiler 2.9.0.16, 2023-08-28)",
}

# HLO's opcodes where the lists, in the names of XlaBuilder, have another word for them.
_NAMES: dict[str, tuple[str, ...]] = {
    "and": ("LogicalAnd",),
    "batch-norm-grad": ("Batchnormgrad",),
    "batch-norm-inference": ("Batchnorminference",),
    "batch-norm-training": ("Batchnorm",),
    "bitcast-convert": ("BitcastConvertType",),
    "broadcast": ("Broadcast", "BroadcastInDim"),
    "constant": ("Constant", "ConstantLiteral"),
    "convert": ("ConvertElementType",),
    "convolution": ("Conv", "ConvGeneralDilated"),
    "cosine": ("Cos",),
    "divide": ("Div",),
    "dot": ("Dot", "DotGeneral"),
    "exponential": ("Exp",),
    "exponential-minus-one": ("Expm1",),
    "log-plus-one": ("Log1p",),
    "maximum": ("Max",),
    "minimum": ("Min",),
    "multiply": ("Mul",),
    "negate": ("Neg",),
    "not": ("LogicalNot",),
    "or": ("LogicalOr",),
    "power": ("Pow",),
    "remainder": ("Rem",),
    "reverse": ("Rev",),
    "rng": ("RngUniform",),
    "sine": ("Sin",),
    "subtract": ("Sub",),
}
_STRUCTURAL = ("parameter", "constant", "tuple", "get-tuple-element")  # what a module is made of, no work


class OperatorsError(RuntimeError):
    """The compiler is on the path and does not list its operators."""


@dataclass(frozen=True)
class Operators:
    """A list of operators' names, and where it comes from."""

    title: str
    source: str
    names: tuple[str, ...]
    conditions: dict[str, str]  # by name

    def mark(self, opcode: str) -> tuple[Mark, str]:
        """(what the list says of an HLO opcode, the names it goes by there with their conditions)."""
        wanted = {_plain(name) for name in (opcode, *_NAMES.get(opcode, ()))}
        found = [name for name in self.names if _plain(name) in wanted]
        says = "; ".join(f"{name}: {self.conditions[name]}" if name in self.conditions else name for name in found)
        if opcode in _STRUCTURAL:
            return Mark.STRUCTURAL, says
        return (Mark.LISTED if found else Mark.NOT_LISTED), says


def operators() -> Operators:
    """The list of the compiler on the path, or without one the published list; OperatorsError if it does not answer."""
    if shutil.which(COMPILER) is None:
        return Operators("list published in 2022", PUBLISHED_SOURCE, tuple(_PUBLISHED.split()), _CONDITIONS)
    asked = " ".join(COMMAND)
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperatorsError(f"expected a list from `{asked}`, got {error}") from error
    names = tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
    if done.returncode or not names:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        ended = f"exit status {done.returncode} and {len(names)} names ({said})"
        raise OperatorsError(f"expected a list from `{asked}`, got {ended}")
    return Operators(f"{COMPILER}'s list", f"`{asked}`, answered by the compiler that is installed here", names, {})


def compile_command(module: str, name: str, architecture: str) -> str:
    """The line that compiles a module."""
    words = [COMPILER, "compile", module, "--framework", "XLA", "--target", architecture]
    words += ["--model-type", "transformer", "--auto-cast", "none", "--output", f"{name}.{architecture}.neff"]
    return shlex.join(words)


def _plain(name: str) -> str:
    """A name without case, hyphens and what stands in brackets, as the lists differ in these."""
    return re.sub(r"[^a-z0-9]", "", name.partition("(")[0].lower())
