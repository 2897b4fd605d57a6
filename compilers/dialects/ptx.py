"""What PTX says of a kernel without being run: its instructions by class, its shared memory, its registers."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import of_kernel

_INSTRUCTION = re.compile(r"^\s*(?:@!?%?\w+\s+)?[a-z][\w.:]*(?:\s[^;]*)?;")
_RETURNS = re.compile(r"^\s*(?:@!?%?\w+\s+)?(?:ret|exit)\b")
TENSOR_CORES = ("mma.sync", "wgmma", "tcgen05.mma")  # classes of instructions that only tensor cores carry out
_TENSOR = {"mma.sync": "mma.sync", "wgmma.mma_async": "wgmma", "tcgen05.mma": "tcgen05.mma"}
_SHAPE = re.compile(r"\.(m\d+n\d+k\d+)\b")
_ACCESS = re.compile(r"(ld|st)\.(global|shared|local)(?:::\w+)?\.(?:[\w:]+\.)*?(?:v(\d)\.)?[bfsu](\d+)$")
_BARRIERS = ("bar.sync", "barrier.sync", "bar.warp.sync", "mbarrier.try_wait", "mbarrier.test_wait")
_SHARED = re.compile(r"\.shared \.align \d+ \.b8 \w+\[(\d+)\]")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


@dataclass(frozen=True)
class Resources:
    """What one thread of a kernel needs, as NVIDIA's assembler allots it."""

    registers: int
    spill_bytes: int  # stored and loaded


def entry(text: str) -> str | None:
    """The name of the kernel in a module; None for a module of constants."""
    _, found, rest = text.partition(".entry ")
    return rest.partition("(")[0].strip() if found else None


def instructions(text: str) -> dict[str, int]:
    """How often each class of instruction that tells a kernel's kind is written down: products, copies, accesses.

    Classes: "mma.sync m16n8k16", "wgmma m64n128k16", "tcgen05.mma"; "cp.async", "cp.async.bulk",
    "cp.async.bulk.tensor"; "ld.global 128", "st.shared 128" and the like by bits, "ldmatrix" and "stmatrix"; "barrier";
    "fma.f32" for products without tensor cores. They are static counts: an instruction in a loop counts once.
    """
    code = re.sub(r"//.*", "", text)
    statements = code.replace(";", "\n").splitlines()  # inline assembly has several on a line
    found = Counter(c for statement in statements if (c := _class(statement)) is not None)
    return dict(sorted(found.items()))


def _class(statement: str) -> str | None:
    words = statement.split()
    if words and words[0].startswith("@"):  # a predicate
        words = words[1:]
    if not words or "." not in words[0]:
        return None
    word = words[0]
    for prefix, name in _TENSOR.items():
        if word.startswith(prefix):
            shape = _SHAPE.search(word)
            return f"{name} {shape[1]}" if shape else name
    if word.startswith("cp.async"):
        waits = ("commit_group", "wait_group", "wait_all", "mbarrier")
        copies = next(name for name in ("cp.async.bulk.tensor", "cp.async.bulk", "cp.async") if word.startswith(name))
        return None if any(wait in word for wait in waits) and "bytes" not in word else copies
    if word.startswith(_BARRIERS):
        return "barrier"
    if word.startswith(("ldmatrix", "stmatrix")):
        return word.partition(".")[0]
    if word.startswith("fma.") and word.endswith(".f32"):
        return "fma.f32"
    access = _ACCESS.match(word)
    return f"{access[1]}.{access[2]} {int(access[3] or 1) * int(access[4])}" if access else None


def shared_bytes(text: str) -> int:
    """Shared memory that the module itself declares; what a launch adds is not in the text."""
    return sum(int(size) for size in _SHARED.findall(text))


def resources(text: str, ptxas: str, options: tuple[str, ...] = ()) -> Resources | None:
    """Registers and spills, by assembling with these options; None if `ptxas` is too old for the text."""
    architecture = text.partition(".target ")[2].split()[0].rstrip(",")
    command = [ptxas, "-v", *options, f"-arch={architecture}", "-o", "/dev/null", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    registers, spills = _REGISTERS.search(done.stderr), _SPILLS.search(done.stderr)
    if done.returncode != 0 or registers is None or spills is None:
        return None
    return Resources(int(registers[1]), int(spills[1]) + int(spills[2]))


def _is_operation(line: str) -> bool:
    return _INSTRUCTION.match(line) is not None and _RETURNS.match(line) is None


DIALECTS = (
    Dialect(
        ("ptx",),
        (Stage.MACHINE,),
        reader=of_kernel(_is_operation),
        opcode=_opcodes.machine,
        lexer=_lexer.PTX,
        words=_words.PTX,
    ),
)
