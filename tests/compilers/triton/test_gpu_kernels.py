"""What is read off GPU kernels and modelled of them, held against makers' documents and made-up outputs."""

from __future__ import annotations

import pytest

from oneblock.compilers.chips import launch_model as _gpu_model
from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Gpu, Multiprocessor, Source
from oneblock.compilers.chips.launch_model import Demand
from oneblock.compilers.chips.occupancy import occupancy
from oneblock.compilers.dialects import amdgcn as _amdgcn
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.dialects import sass as _sass
from oneblock.compilers.triton import choice as _gpu_choice
from oneblock.compilers.triton import mlir_text as _mlir_passes
from oneblock.compilers.triton import text as _triton_text
from oneblock.compilers.triton.choice import Candidate

VOLTA = Multiprocessor(
    source=Source("CUDA C++ Programming Guide"), lanes=32, schedulers=4, warps_of_scheduler=16, registers_of_lane=512,
    register_granule=8, deals_evenly=False, blocks=32, shared_bytes=96 * 1024, shared_bytes_of_block=96 * 1024,
    reserved_bytes_of_block=0, shared_granule=256, float32_units=64,
)  # fmt: skip
A100, H100, MI300X = (load(target, Gpu) for target in ("cuda:sm_80", "cuda:sm_90", "rocm:gfx942"))
SMS = H100.sms.value


# ---------------------------------------------------------------- occupancy


def test_occupancy_is_as_nvidias_best_practices_guide_has_it() -> None:
    """CUDA C++ Best Practices Guide, "Calculating Occupancy": 37 registers on compute capability 7.0."""
    small = occupancy(VOLTA, warps=4, registers=37, shared_bytes=0)
    assert (small.blocks, small.share, small.limited_by) == (12, 0.75, "registers")
    large = occupancy(VOLTA, warps=10, registers=37, shared_bytes=0)
    assert (large.blocks, round(large.share, 2)) == (4, 0.62)  # 63 % there


@pytest.mark.parametrize(
    ("warps", "registers", "shared_bytes", "blocks", "by"),
    [
        (8, 32, 0, 8, "warps"),
        (1, 16, 0, 32, "blocks"),
        (8, 255, 0, 1, "registers"),
        (4, 64, 100 * 1024, 2, "shared memory"),  # 2 x (100 + 1) KiB of 228, and not 3
        (4, 64, 113 * 1024, 2, "shared memory"),
        (4, 64, 114 * 1024, 1, "shared memory"),  # with the system's KiB, two are over 228
    ],
)
def test_the_scarcest_resource_limits(warps: int, registers: int, shared_bytes: int, blocks: int, by: str) -> None:
    found = occupancy(H100.multiprocessor, warps, registers, shared_bytes)
    assert (found.blocks, found.warps, found.limited_by, found.kind) == (blocks, blocks * warps, by, "modelled")


@pytest.mark.parametrize(
    ("waves", "registers", "lds_bytes", "blocks", "by"),
    [
        (4, 64, 0, 8, "warps"),
        (4, 114, 0, 4, "registers"),  # 120 of 512 after rounding
        (8, 114, 0, 2, "registers"),
        (4, 512, 0, 1, "registers"),
        (2, 256, 0, 4, "registers"),
        (4, 64, 33 * 1024, 1, "shared memory"),
    ],
)
def test_amds_waves_are_dealt_out_to_four_simds(
    waves: int, registers: int, lds_bytes: int, blocks: int, by: str
) -> None:
    found = occupancy(MI300X.multiprocessor, waves, registers, lds_bytes)
    assert (found.blocks, found.limited_by) == (blocks, by)


def test_the_peaks_are_those_of_the_data_sheets() -> None:
    """NVIDIA: 19.5 (A100), 67 (H100 SXM) TFLOP/s of float32; AMD: 163.4 (MI300X)."""
    assert A100.float32_flops_per_s == pytest.approx(19.5e12, rel=0.01)
    assert H100.float32_flops_per_s == pytest.approx(66.9e12, rel=0.01)
    assert MI300X.float32_flops_per_s == pytest.approx(163.4e12, rel=0.01)


# ---------------------------------------------------------------- the static model


def test_the_model_is_the_roofline_where_nothing_is_wasted() -> None:
    many = SMS * 1000
    memory = Demand(many, 1.0, 3.35e9, 3.35e9, 64e3)
    assert _gpu_model.seconds(memory, 4, H100, matrix_units=True) == pytest.approx(1e-3)
    compute = Demand(many, 989.4e9, 1.0, 1.0, 64e3)
    assert _gpu_model.seconds(compute, 4, H100, matrix_units=True) == pytest.approx(1e-3)
    slow = _gpu_model.seconds(compute, 4, H100, matrix_units=False)
    assert slow == pytest.approx(989.4e9 / H100.float32_flops_per_s)


def test_what_wastes_the_machine_takes_longer() -> None:
    full = Demand(SMS, 1e12, 1.0, 1.0, 64e3)
    one_more = Demand(SMS + 1, 1e12, 1.0, 1.0, 64e3)  # all wait for a second wave of one program
    starved = Demand(SMS, 1.0, 3.35e9, 3.35e9, 64.0)
    fed = Demand(SMS, 1.0, 3.35e9, 3.35e9, 64e3)
    rereads = Demand(SMS, 1.0, 1.0, 1e12, 64e3)

    def seconds(demand: Demand, resident: int = 1) -> float:
        return _gpu_model.seconds(demand, resident, H100, matrix_units=True)

    assert seconds(one_more) > 1.9 * seconds(full)
    assert seconds(starved) > 100 * seconds(fed)
    assert seconds(starved, resident=4) <= seconds(starved)
    assert seconds(rereads) > seconds(full) / 100


def made(modelled_s: float | None, registers: int = 64, spills: int = 0, measured_s: float | None = None) -> Candidate:
    why = None if modelled_s is not None else "out of resource: shared memory"
    return Candidate("k", f"{modelled_s}", modelled_s, registers, spills, 0, 0.5, why, measured_s)


def test_spills_and_what_cannot_be_built_are_out_and_the_fastest_is_first() -> None:
    found = [made(None), made(1.0, spills=8), made(3.0), made(2.0, registers=200), made(2.0, registers=100)]
    assert _gpu_choice.rank(found) == [4, 3, 2, 1, 0]
    text = _gpu_choice.table("launch 0", found)
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["1", "2", "3", "4", "5"]
    assert "out of resource: shared memory" in text.splitlines()[-1]
    with pytest.raises(ValueError, match="out of resource"):
        _gpu_choice.rank([made(None), made(None)])


def test_the_regret_is_what_the_models_choice_costs() -> None:
    found = [made(1.0, measured_s=2.2), made(2.0, measured_s=2.0), made(3.0, measured_s=5.0)]
    assert _gpu_choice.regret(found) == pytest.approx(0.1)
    assert "10.0% longer than the measured best" in _gpu_choice.table("launch 0", found)
    assert _gpu_choice.regret([made(1.0), made(2.0)]) is None


# ---------------------------------------------------------------- texts


def test_amds_assembly_is_counted_by_class() -> None:
    text = """
\tv_mfma_f32_32x32x8_bf16 v[0:15], v[1:2], v[3:4], v[0:15]
\tv_mfma_f32_16x16x16_f16 v[0:3], v[1:2], v[3:4], v[0:3]
\tbuffer_load_dwordx4 v[0:3], v4, s[0:3], 0 offen
\tglobal_load_dword v0, v[1:2], off
\tglobal_load_ushort v0, v[1:2], off
\tglobal_store_dwordx2 v[0:1], v[2:3], off
\tds_read_b64 v[0:1], v2
\tds_write2st64_b64 v0, v[1:2], v[3:4]
\ts_barrier
\tv_fmac_f32_e32 v0, v1, v2
\ts_waitcnt vmcnt(0)
; v_mfma_f32_32x32x8_bf16 in a comment
"""
    assert _amdgcn.instructions(text) == {
        "barrier": 1, "fma.f32": 1, "load.global 128": 1, "load.global 16": 1, "load.global 32": 1, "load.lds 64": 1,
        "mfma 16x16x16": 1, "mfma 32x32x8": 1, "store.global 64": 1, "store.lds 64": 1,
    }  # fmt: skip
    assert _amdgcn.total(text) == 11
    with pytest.raises(ValueError, match="is the text cut off"):
        _amdgcn.resources(text)


def test_ptx_is_counted_by_class_shared_memory_and_barriers_too() -> None:
    text = """
        ld.shared.v4.b32 {%r1, %r2, %r3, %r4}, [%r5]; st.shared::cta.b16 [%r1], %rs1;
        ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r1, %r2, %r3, %r4}, [%r5];
        bar.sync 0; mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], %r2; mbarrier.init.shared::cta.b64 [%r1], 1;
        cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r2, %r3}], [%r4];
        cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r1], 16;
        fma.rn.f32 %f1, %f2, %f3, %f1; ld.local.b32 %r1, [%rd1];
    """
    assert _ptx.instructions(text) == {
        "barrier": 2, "cp.async.bulk": 1, "cp.async.bulk.tensor": 1, "fma.f32": 1, "ld.local 32": 1,
        "ld.shared 128": 1, "ldmatrix": 1, "st.shared 16": 1,
    }  # fmt: skip


def test_sass_is_read_with_and_without_predicates() -> None:
    text = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/              @!P0 BRA `(.L_x_0) ;
        /*0020*/             @!UPT UIADD3 URZ, URZ, URZ, URZ ;
        /*0030*/               @P1 LDG.E.128 R4, [R2.64] ;
        .L_x_0:
    """
    assert _sass.opcodes(text) == ["MOV", "BRA", "UIADD3", "LDG.E.128"]
    assert _sass.used("Function k:\n REG:64 STACK:16 SHARED:0 LOCAL:0") == {"REG": 64, "STACK": 16, "LOCAL": 0}
    with pytest.raises(ValueError, match="expected REG and STACK"):
        _sass.used("nothing")


PRINTED = """
// -----// IR Dump Before InlinerPass: inline{} ('builtin.module' operation) //----- //
module { first }
// -----// IR Dump Before CanonicalizerPass: canonicalize{} ('tt.func' operation: @k) //----- //
module { second }
// -----// IR Dump Before CSEPass: cse ('builtin.module' operation) //----- //
module { second }
===-------------------------------------------------------------------------===
                         ... Execution time report ...
===-------------------------------------------------------------------------===
  Total Execution Time: 0.0528 seconds

  ----Wall Time----  ----Name----
    0.0192 ( 36.4%)  InlinerPass
    0.0000 (  0.1%)    (A) CallGraph
    0.0184 ( 35.0%)  'tt.func' Pipeline
    0.0004 (  0.5%)  CSEPass
    0.0130 ( 24.7%)  Rest
    0.0528 (100.0%)  Total
"""


def test_passes_have_their_module_before_and_after_and_their_time() -> None:
    found = _mlir_passes.read(PRINTED)
    assert [one.name for one in found] == ["InlinerPass", "CanonicalizerPass", "CSEPass"]
    assert [one.microseconds for one in found] == [19200, None, 400]
    assert (found[0].before, found[0].after) == ("module { first }\n", "module { second }\n")
    assert found[2].after is None
    with pytest.raises(ValueError, match="was the kernel cached"):
        _mlir_passes.read("")


def test_kept_texts_name_no_place_of_this_machine_nor_of_another() -> None:
    text = (
        '#loc = loc("/a b/tests/x/backends/kernels/triton/rope.py":8:1) loc("/site-packages/triton/language/core.py":1)'
    )
    assert _triton_text.canonical(text) == (
        '#loc = loc("backends/kernels/triton/rope.py":8:1) loc("triton/language/core.py":1)'
    )
    directory = '!DIFile(filename: "rope.py", directory: "/opt/backends/_triton")'
    assert _triton_text.canonical(directory) == '!DIFile(filename: "rope.py", directory: "backends/_triton")'
    assembly = "ret;\n\t.section\t.debug_info\n\t{\n.b8 1\n\t}\n"
    assert _triton_text.without_debug(assembly) == "ret;\n"
