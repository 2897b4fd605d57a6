"""What a kernel that Triton compiled says of itself: its texts, and counts of machine code by the wheel's own tools."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import triton

from oneblock.compilers.dialects import amdgcn as _amdgcn
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.dialects import sass as _sass
from oneblock.compilers.triton import text as _triton_text


def nvidia(compiled: Any, capability: int) -> dict[str, Any]:
    """What is known of a kernel for sm_`capability`: the fields of `triton_gpu.Built`, but its GPU."""
    from triton.backends.nvidia.compiler import get_ptxas

    used, sass = _cubin(compiled.asm["cubin"])
    ptx = compiled.asm["ptx"]
    code = _sass.opcodes(sass)
    spills = 0
    if any(opcode.startswith(("STL", "LDL")) for opcode in code):  # only then is it worth to assemble again
        allotted = _ptx.resources(ptx, get_ptxas(capability).path, ("--regAllocOptLevel=2",))  # as Triton calls it
        if allotted is None:
            raise RuntimeError("the assembler refuses what it took before")
        spills = allotted.spill_bytes
    texts = _compilers_own(compiled) | {"ptx": _triton_text.without_debug(_triton_text.canonical(ptx)), "sass": sass}
    dynamic = compiled.metadata.shared
    return {
        "name": compiled.name, "texts": texts, "num_warps": compiled.metadata.num_warps, "registers": used["REG"],
        "spill_bytes": spills, "stack_bytes": used["STACK"], "shared_bytes": _ptx.shared_bytes(ptx) + dynamic,
        "dynamic_shared_bytes": dynamic, "machine_instructions": len(code), "instructions": _ptx.instructions(ptx),
    }  # fmt: skip


def amd(compiled: Any) -> dict[str, Any]:
    """What is known of a kernel for an AMD GPU: the fields of `triton_gpu.Built`, but its GPU."""
    text = compiled.asm["amdgcn"]
    texts = _compilers_own(compiled) | {"amdgcn": _triton_text.without_debug(_triton_text.canonical(text))}
    used, dynamic = _amdgcn.resources(text), compiled.metadata.shared
    return {
        "name": compiled.name, "texts": texts, "num_warps": compiled.metadata.num_warps, "registers": used.registers,
        "spill_bytes": 4 * used.spills, "stack_bytes": used.stack_bytes, "shared_bytes": dynamic,
        "dynamic_shared_bytes": dynamic, "machine_instructions": _amdgcn.total(text),
        "instructions": _amdgcn.instructions(text),
    }  # fmt: skip


def _compilers_own(compiled: Any) -> dict[str, str]:
    return {stage: _triton_text.canonical(compiled.asm[stage]) for stage in ("ttir", "ttgir", "llir")}


def _cubin(cubin: bytes) -> tuple[dict[str, int], str]:
    """(what the binary says that a thread and a block need, its disassembly), by the tools in Triton's wheel."""
    with tempfile.TemporaryDirectory(prefix="oneblock-cubin-") as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(cubin)
        tools = triton.knobs.nvidia
        said = _run(tools.cuobjdump.path, "-res-usage", str(path))
        sass = _run(tools.nvdisasm.path, "-c", str(path))
    return _sass.used(said), sass


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
