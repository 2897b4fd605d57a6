"""ptxas and LLVM are asked again what they are said to attest: what they take, and by what they refuse one more.

`nox -s triton` has both, as Triton's wheel bundles them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from oneblock.compilers.chips.attested import ATTESTED, LLVM, PTXAS
from tests.helpers import triton_here

triton_here.load()

import triton  # noqa: E402
from triton._C.libtriton import llvm  # noqa: E402

NVIDIA = [name.partition(":")[2] for name, of_one in ATTESTED.items() if of_one[0].tool == PTXAS]
AMD = [name.partition(":")[2] for name, of_one in ATTESTED.items() if of_one[0].tool == LLVM]
TOOL = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
KERNEL = """.version 8.8
.target {architecture}
.address_size 64
.visible .entry k(.param .u64 p) .maxntid {threads} .minnctapersm {blocks} {{
  .shared .align 4 .b8 s[{shared}];
  .reg .b32 %r<3>; .reg .b64 %d<3>;
  ld.param.u64 %d1, [p]; mov.u32 %r1, s; ld.shared.u32 %r2, [%r1]; st.global.u32 [%d1], %r2; ret;
}}
"""
GROUP = """@lds = addrspace(3) global [{size} x i8] poison
define amdgpu_kernel void @k(i32 %v) {{
  %g = getelementptr [{size} x i8], ptr addrspace(3) @lds, i32 0, i32 %v
  store i8 1, ptr addrspace(3) %g
  ret void
}}
"""


def of(name: str) -> dict[str, int]:
    return {one.what: one.value for one in ATTESTED[name]}


@pytest.mark.parametrize("architecture", NVIDIA)
def test_ptxas_takes_what_it_attests_and_refuses_one_more(architecture: str, tmp_path: Path) -> None:
    told = of(f"cuda:{architecture}")

    def ptxas(*options: str, threads: int = 128, blocks: int = 1, shared: int = 1024) -> str:
        text = KERNEL.format(architecture=architecture, threads=threads, blocks=blocks, shared=shared)
        (tmp_path / "k.ptx").write_text(text)
        words = [str(TOOL), f"-arch={architecture}", *options, str(tmp_path / "k.ptx"), "-o", str(tmp_path / "k")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    blocks = told["blocks resident on a multiprocessor"]
    together = told["threads resident on a multiprocessor"] // 128
    shared, registers = told["shared memory of a block, declared"], told["registers of a thread"]
    for threads, most in ((32, blocks), (128, together)):
        assert "out of range" not in ptxas(threads=threads, blocks=most)
        assert "out of range" in ptxas(threads=threads, blocks=most + 1)
    assert "too much shared data" not in ptxas(shared=shared)
    assert f"{hex(shared)} max" in ptxas(shared=shared + 4)
    assert "Too big maxrregcount" not in ptxas("--maxrregcount", str(registers))
    assert f"Too big maxrregcount value specified {registers + 1}" in ptxas("--maxrregcount", str(registers + 1))


@pytest.mark.parametrize("architecture", AMD)
def test_llvm_compiles_what_it_attests_and_refuses_one_more(
    architecture: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told = of(f"rocm:{architecture}")
    limit, granule = told["LDS of a work-group"], told["LDS is given in pieces of"]
    llvm.init_targets()

    def pieces(size: int) -> int:
        text = llvm.translate_to_asm(
            GROUP.format(size=size), "amdgcn-mesa-mesa3d", architecture, "", [], False, False, False
        )
        found = re.search(r"granulated_lds_size = (\d+)", text)
        assert found is not None, text
        return int(found[1])

    assert pieces(limit) * granule == limit
    assert [pieces(size) for size in (granule, granule + 4)] == [1, 2]
    assert "exceeds limit" not in capfd.readouterr().err
    pieces(limit + 4)
    assert f"local memory ({limit + 4}) exceeds limit ({limit})" in capfd.readouterr().err
