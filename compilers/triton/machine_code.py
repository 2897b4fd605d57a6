"""What a kernel that Triton compiled says of itself: its texts, and counts of machine code by the wheel's own tools."""

from __future__ import annotations

import subprocess
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import triton

from oneblock.compilers.dialects import amdgcn as _amdgcn
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.dialects import sass as _sass
from oneblock.compilers.triton import text as _triton_text
from oneblock.compilers.triton.releases import ASSEMBLER_OPTIONS


def nvidia(compiled: Any, capability: int) -> dict[str, Any]:
    """What is known of a kernel for sm_`capability`: the fields of `built.Built`, but its GPU."""
    from triton.backends.nvidia.compiler import get_ptxas

    binary, ptx = compiled.asm["cubin"], compiled.asm["ptx"]
    used = _sass.used(_tool("cuobjdump", binary, "-res-usage"))
    spills = 0
    if used["STACK"]:  # where what is spilled lies: without one it is not worth to assemble again
        allotted = _ptx.resources(ptx, get_ptxas(capability).path, ASSEMBLER_OPTIONS)  # as Triton calls it
        if allotted is None:
            raise RuntimeError("the assembler refuses what it took before")
        spills = allotted.spill_bytes
    texts = _compilers_own(compiled) | {"ptx": _triton_text.without_debug(_triton_text.canonical(ptx))}
    dynamic = compiled.metadata.shared
    return {
        "name": compiled.name, "texts": texts, "num_warps": compiled.metadata.num_warps, "registers": used["REG"],
        "spill_bytes": spills, "stack_bytes": used["STACK"], "shared_bytes": _ptx.shared_bytes(ptx) + dynamic,
        "dynamic_shared_bytes": dynamic, "instructions": _ptx.instructions(ptx),
        "binary": b64encode(binary).decode(),
    }  # fmt: skip


def amd(compiled: Any) -> dict[str, Any]:
    """What is known of a kernel for an AMD GPU: the fields of `built.Built`, but its GPU."""
    text = compiled.asm["amdgcn"]
    texts = _compilers_own(compiled) | {"amdgcn": _triton_text.without_debug(_triton_text.canonical(text))}
    used, dynamic = _amdgcn.resources(text), compiled.metadata.shared
    return {
        "name": compiled.name, "texts": texts, "num_warps": compiled.metadata.num_warps, "registers": used.registers,
        "spill_bytes": 4 * used.spills, "stack_bytes": used.stack_bytes, "shared_bytes": dynamic,
        "dynamic_shared_bytes": dynamic, "instructions": _amdgcn.instructions(text),
    }  # fmt: skip


def _compilers_own(compiled: Any) -> dict[str, str]:
    return {stage: _triton_text.canonical(compiled.asm[stage]) for stage in ("ttir", "ttgir", "llir")}


def disassembled(binary: str) -> str:
    """The machine code of NVIDIA's binary, in base64. It takes as long as to assemble a kernel."""
    # Without the search for targets of indirect branches, a third of its time: Triton has none.
    return _tool("nvdisasm", b64decode(binary), "-c", "-ndf")


def _tool(name: str, binary: bytes, *options: str) -> str:
    """What a tool in Triton's wheel says of a binary."""
    with tempfile.TemporaryDirectory(prefix="oneblock-triton-cubin-") as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(binary)
        command = (getattr(triton.knobs.nvidia, name).path, *options, str(path))
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
