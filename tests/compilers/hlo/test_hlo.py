"""The parser of HLO and what is counted in it, on modules small enough to count by hand."""
# ruff: noqa: E501  HLO has long lines

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from oneblock.backends.api.target import Target
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Tpu
from oneblock.compilers.chips.topology import topology
from oneblock.compilers.hlo.counts import Counts, count
from oneblock.compilers.hlo.flops import flops
from oneblock.compilers.hlo.parser import Array, HloError, arrays, parse
from oneblock.compilers.xla import errors as _xla_errors
from oneblock.compilers.xla import estimates as _estimates
from oneblock.compilers.xla import llo as _llo
from oneblock.compilers.xla.xprof import module_seconds

STEPS = ("qkv", "mlp")
HEAD = "HloModule jit_block, is_scheduled=true, entry_computation_layout={()->f32[]}\n\n"

PREFETCH = (
    HEAD
    + r"""
%fused (p0: bf16[64,32], p1: f32[8,64]) -> f32[8,32] {
  %p1 = f32[8,64]{1,0:T(8,128)S(1)} parameter(1)
  %p0 = bf16[64,32]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  %c = f32[64,32]{1,0} convert(%p0)
  ROOT %dot.1 = f32[8,32]{1,0:T(8,128)} dot(%p1, %c), lhs_contracting_dims={1}, rhs_contracting_dims={0}, metadata={op_name="jit(block)/mlp/dot_general" stack_frame_id=3}
}

ENTRY %main (w: bf16[64,32], x: f32[8,64]) -> f32[8,32] {
  %w = bf16[64,32]{1,0:T(8,128)(2,1)} parameter(0), metadata={op_name="a[\'up, (weight)\']"}
  %x = f32[8,64]{1,0:T(8,128)} parameter(1)
  %copy-start = (bf16[64,32]{1,0:T(8,128)(2,1)S(1)}, bf16[64,32]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%w)
  %negate = f32[8,64]{1,0:T(8,128)S(1)} negate(%x), metadata={op_name="jit(block)/qkv/neg"}, backend_config={"window_config":{"estimated_cycles":"40"},"x":"}, \"{"}
  %copy-done = bf16[64,32]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start)
  ROOT %fusion = f32[8,32]{1,0:T(8,128)} fusion(%copy-done, /*index=1*/%negate), kind=kOutput, calls=%fused, backend_config={"window_config":{"estimated_cycles":"60"}}
}
"""
)

LOOP = (
    HEAD
    + """
%body (t: (s32[], f32[16])) -> (s32[], f32[16]) {
  %t = (s32[], f32[16]{0}) parameter(0)
  %i = s32[] get-tuple-element(%t), index=0
  %v = f32[16]{0} get-tuple-element(%t), index=1
  %twice = f32[16]{0} add(%v, %v), metadata={op_name="jit(block)/mlp/add"}
  ROOT %r = (s32[], f32[16]{0}) tuple(%i, %twice)
}

%condition (t.1: (s32[], f32[16])) -> pred[] {
  %t.1 = (s32[], f32[16]{0}) parameter(0)
  ROOT %true = pred[] constant(true)
}

ENTRY %main (a: (s32[], f32[16])) -> (s32[], f32[16]) {
  %a = (s32[], f32[16]{0}) parameter(0)
  ROOT %while = (s32[], f32[16]{0}) while(%a), condition=%condition, body=%bodyKNOWN
}
"""
).replace("%bodyKNOWN", "%body{known}")


def counts(text: str) -> Counts:
    return count(parse(text), STEPS)


def test_a_prefetched_weight_is_read_from_hbm_once_and_vmem_is_free() -> None:
    found = counts(PREFETCH)
    weight, x, y = 64 * 32 * 2, 8 * 64 * 4, 8 * 32 * 4
    assert found.hbm_bytes == weight + x + y
    assert found.operations == {"copy-start": 1, "negate": 1, "copy-done": 1, "fusion": 1}
    assert found.fusions == {"kOutput": 1}


def test_operations_belong_to_the_step_that_names_them_or_uses_what_they_move() -> None:
    found = counts(PREFETCH)
    assert found.step_of == {"copy-start": "mlp", "copy-done": "mlp", "fusion": "mlp", "negate": "qkv"}
    assert found.attributed == 1.0
    assert found.attributed_by_name == 0.5
    by_step = {step.step: step for step in found.steps}
    assert by_step["mlp"].flops == 2 * 8 * 64 * 32
    assert by_step["qkv"].flops == 8 * 64
    assert (by_step["qkv"].cycles, by_step["mlp"].cycles) == (40, 60)


def test_what_no_step_claims_is_said_and_not_shared_out() -> None:
    found = count(parse(PREFETCH), ("attention",))
    assert found.attributed == 0.0
    assert [step.step for step in found.steps] == [None]


def test_a_loop_counts_as_often_as_it_runs_and_an_unknown_one_not_at_all() -> None:
    known = ', backend_config={"known_trip_count":{"n":"12"}}'
    assert counts(LOOP.replace("{known}", known)).flops == 12 * 16
    refused = counts(LOOP.replace("{known}", ""))
    assert (refused.flops, refused.hbm_bytes, refused.steps) == (None, None, ())
    assert "trips is unknown" in refused.caveats[0]


def test_a_cost_that_overflowed_is_no_cycles_and_not_millennia() -> None:
    found = counts(PREFETCH.replace('"60"', f'"{2**63 - 1}"'))
    assert found.cycles is None
    assert "gave up on 1" in found.caveats[0]


@pytest.mark.parametrize(
    ("window", "labels", "shapes"),
    [
        ("", "bf_io->bf", ((6, 5), (5, 7), (6, 7))),
        ("window={size=4 pad=3_3 rhs_reversal=1}", "bf0_0oi->b0f", ((6, 5, 1), (4, 7, 5), (6, 4, 7))),
        ("window={size=3 stride=2 lhs_dilate=3}", "0bf_0io->0bf", ((3, 6, 5), (3, 5, 7), (3, 6, 7))),
        ("window={size=3x2 stride=2x1 pad=1_2x0_1 rhs_dilate=2x1}", "b01f_01io->b01f",
         ((2, 9, 5, 3), (3, 2, 3, 4), (2, 4, 5, 4))),
    ],
)  # fmt: skip
def test_a_convolution_counts_the_taps_inside_its_input(
    window: str, labels: str, shapes: tuple[tuple[int, ...], ...]
) -> None:
    """Against a convolution by loops that counts the multiplications it really does."""
    lhs, rhs, out = (f"f32[{','.join(map(str, shape))}]" for shape in shapes)
    attributes = ", ".join(part for part in (window, f"dim_labels={labels}") if part)
    text = (
        f"{HEAD}ENTRY %main (a: {lhs}, b: {rhs}) -> {out} {{\n  %a = {lhs} parameter(0)\n  %b = {rhs} parameter(1)\n"
        f"  ROOT %c = {out} convolution(%a, %b), {attributes}\n}}\n"
    )
    entry = parse(text).entry
    assert flops(entry.root, entry.by_name) == 2 * multiplications(window, labels, *shapes)


def multiplications(window: str, labels: str, lhs: tuple[int, ...], rhs: tuple[int, ...], out: tuple[int, ...]) -> int:
    left, rest = labels.split("_")
    right, result = rest.split("->")
    axes = sorted(c for c in left if c.isdigit())
    words = dict(word.split("=") for word in window.removeprefix("window={").removesuffix("}").split())
    each = {key: value.split("x") for key, value in words.items()}
    found = 0
    for position in np.ndindex(*(out[result.index(a)] for a in axes)):
        for tap in np.ndindex(*(rhs[right.index(a)] for a in axes)):
            inside = True
            for n, axis in enumerate(axes):
                stride = int(each.get("stride", ["1"] * 9)[n])
                low = int(each.get("pad", ["0_0"] * 9)[n].split("_")[0])
                spread = int(each.get("lhs_dilate", ["1"] * 9)[n])
                reach = int(each.get("rhs_dilate", ["1"] * 9)[n])
                at = position[n] * stride + tap[n] * reach - low
                inside &= at % spread == 0 and 0 <= at // spread < lhs[left.index(axis)]
            found += inside
    return found * out[result.index("b")] * out[result.index("f")] * rhs[right.index("i")]


def test_only_the_slice_of_a_cache_that_is_updated_in_place_is_moved() -> None:
    text = (
        HEAD
        + """
%fused (p0: bf16[2048,64], p1: bf16[1,64], p2: s32[]) -> bf16[2048,64] {
  %p0 = bf16[2048,64]{1,0} parameter(0)
  %p1 = bf16[1,64]{1,0} parameter(1)
  %p2 = s32[] parameter(2)
  %zero = s32[] constant(0)
  ROOT %dus = bf16[2048,64]{1,0} dynamic-update-slice(%p0, %p1, %p2, %zero)
}

ENTRY %main (cache: bf16[2048,64], new: bf16[1,64], i: s32[]) -> bf16[2048,64] {
  %cache = bf16[2048,64]{1,0} parameter(0)
  %new = bf16[1,64]{1,0:S(1)} parameter(1)
  %i = s32[]{:S(2)} parameter(2)
  ROOT %fusion = bf16[2048,64]{1,0} fusion(%cache, %new, %i), kind=kLoop, calls=%fused
}
"""
    )
    assert counts(text).hbm_bytes == 64 * 2


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ("{{0,1,2,3},{4,5,6,7}}", 4),
        ("[2,4]<=[8]", 4),
        ("mesh['a'=2,'b'=4] {'b'}", 4),
        ("mesh['a'=2,'b'=4] {'a','b'}", 8),
    ],
)
def test_collectives_are_told_with_their_group(groups: str, size: int) -> None:
    text = (
        f"{HEAD}ENTRY %main (a: bf16[8,16]) -> bf16[8,16] {{\n  %a = bf16[8,16]{{1,0}} parameter(0)\n"
        f"  ROOT %r = bf16[8,16]{{1,0}} all-reduce(%a), channel_id=7, replica_groups={groups}, to_apply=%add, "
        'metadata={op_name="jit(block)/mlp/dot_general"}, '
        'backend_config={"collective_algorithm_config":{"strategy":"Ring"}}\n}\n'
    )
    (one,) = counts(text).collectives
    assert (one.kind, one.dtype, one.bytes, one.channel, one.group_size) == ("all-reduce", "bf16", 256, 7, size)
    assert (one.algorithm, one.step) == ("Ring", "mlp")


def test_a_kernel_of_ones_own_counts_what_it_declares_and_reads_again() -> None:
    def kernel(bytes_accessed: int | None) -> Counts:
        estimate = f'"cost_estimate":{{"flops":"1000","bytes_accessed":"{bytes_accessed}"}}'
        estimate = "" if bytes_accessed is None else estimate
        return counts(
            f"{HEAD}ENTRY %main (a: f32[8,16]) -> f32[8,16] {{\n  %a = f32[8,16]{{1,0}} parameter(0)\n"
            f'  ROOT %k = f32[8,16]{{1,0}} custom-call(%a), custom_call_target="tpu_custom_call", '
            f'metadata={{op_name="jit(block)/mlp/flash"}}, backend_config={{"custom_call_config":{{{estimate}}}}}\n}}\n'
        )

    once = 2 * 8 * 16 * 4
    assert kernel(once).flops == 1000
    assert kernel(once).hbm_bytes == once
    assert kernel(3 * once).hbm_bytes == 3 * once
    assert kernel(0).hbm_bytes == once
    assert kernel(once).cycles is None, "a sum that leaves the kernel out is no estimate"
    assert any("as they declare" in caveat for caveat in kernel(once).caveats)
    silent = kernel(None)
    assert (silent.flops, silent.cycles, silent.hbm_bytes) == (None, None, once), "what it declares none of is unknown"
    assert [(one.step, one.flops) for one in silent.steps] == [("mlp", None)]
    assert any("declare no FLOPs" in caveat for caveat in silent.caveats)
    assert not any("as they declare" in caveat for caveat in silent.caveats)


def test_shapes_know_their_memory_and_their_bytes() -> None:
    start = parse(PREFETCH).entry.by_name["copy-start"]
    assert arrays(start.shape) == (Array("bf16", (64, 32), 1), Array("bf16", (64, 32), 0), Array("u32", (), 2))
    assert Array("s4", (3,)).bytes == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with 'HloModule'"),
        ("module @jit_block {", "begins with 'HloModule'"),
        (PREFETCH[:-30], "line"),
        (PREFETCH.replace("ENTRY %main", "%main"), "ENTRY"),
        (PREFETCH.replace("bf16[64,32]{1,0:T(8,128)(2,1)} parameter(0)", "bf17[64,32] parameter(0)"), "bf17"),
    ],
)
def test_what_is_no_hlo_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(HloError, match=says):
        parse(text)


def test_an_estimate_is_repaired_and_says_so() -> None:
    repaired = _estimates.xla(-4.99883)
    assert repaired.seconds == pytest.approx(0.00117)
    assert "repaired" in repaired.how
    assert "5 operations" in repaired.how
    whole = _estimates.xla(0.000375)
    assert whole.seconds == 0.000375
    assert "repaired" not in whole.how
    assert _estimates.xla(None).seconds is None


def test_simulated_cycles_never_beat_the_memory_and_without_a_clock_there_is_no_time() -> None:
    v5e, v7x = load("tpu:v5e", Tpu), load("tpu:v7x", Tpu)
    bound_by_memory = _estimates.llo(1000, 819e6, v5e, "")
    assert bound_by_memory.seconds == pytest.approx(1e-3)
    assert "HBM" in bound_by_memory.how
    assert _estimates.llo(1000, 819e6, v7x, "").seconds is None
    assert _estimates.llo(None, 819e6, v5e, "it aborted").how == "it aborted"


@pytest.mark.parametrize(
    ("text", "space", "needed", "available"),
    [
        ("RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries (129.00G) exceeds "
         "available HBM (15.75G).", "hbm", 129 * 2**30, 15.75 * 2**30),
        ("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 16.50G of 15.75G hbm. Exceeded hbm capacity by "
         "768.00M.\n\n  Largest program allocations in hbm:\n\n  1. Size: 8.00G\n     Operator: op_name=\"jit(f)/dot\"\n"
         "     ==========================\n", "hbm", 16.5 * 2**30, 15.75 * 2**30),
        ("RESOURCE_EXHAUSTED: E1001: Scoped allocation with size 16.60M and limit 16.00M exceeded scoped vmem limit by "
         "614.4K.", "vmem", 16.6 * 2**20, 16 * 2**20),
        ("Allocation (size=33554432) would exceed memory (size=16777216)", "vmem", 2**25, 2**24),
    ],
)  # fmt: skip
def test_a_refusal_for_want_of_memory_becomes_numbers(text: str, space: str, needed: float, available: float) -> None:
    memory = _xla_errors.read(text)
    assert memory.space == space
    assert (memory.needed_bytes, memory.available_bytes) == (int(needed), int(available))
    if "Largest" in text:
        assert memory.largest[0].bytes == 8 * 2**30
        assert "dot" in memory.largest[0].what


def test_the_programs_largest_arrays_are_named_where_the_compiler_names_none() -> None:
    with pytest.raises(OutOfMemory) as caught, _xla_errors.typed(PREFETCH):
        raise RuntimeError("RESOURCE_EXHAUSTED: HLO temporaries (20.00G) exceeds available HBM (15.75G)")
    assert "needs 20.00 GiB of hbm, and 15.75 GiB are there" in str(caught.value)
    assert caught.value.memory.largest[0].bytes == 64 * 32 * 2
    with pytest.raises(ValueError, match="another"), _xla_errors.typed(PREFETCH):
        raise ValueError("another error")


def test_slot_use_is_a_share_of_what_the_header_allows() -> None:
    table = "== CAPACTIY:\nMXU, VLOAD\n 4 2\n== UTILIZATION:\n4 0\n2 1\n"
    assert _llo.slot_use(table) == (2, {"MXU": 0.75, "VLOAD": 0.25})
    with pytest.raises(ValueError, match="columns"):
        _llo.slot_use(table + "1 2 3\n")


@pytest.mark.parametrize(
    "text", ["tpu:v5e:2x4@tp8,tp2", "tpu:v5e@", "tpu:v5e@xp3", "tpu:v5e@tp0", "tpu:v9", "cuda:sm_90:h300", "cpu:2"]
)
def test_a_target_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(LookupError, match="target"):
        Target.parse(text)


def test_targets_are_spelt_as_they_are_read() -> None:
    for text in ("cpu", "cpu@tp8", "tpu:v5e", "tpu:v5e:2x4@dp2,tp4", "cuda:sm_90:h200"):
        assert str(Target.parse(text)) == text
    assert Target.parse("tpu:v5e:2x4@dp2,tp4").axes == {"dp": 2, "tp": 4}


def test_a_wrong_topology_is_told_which_there_are() -> None:
    assert topology("v5e", "16x16").chips == 256
    assert topology("v7x", None).devices == 8
    for shape in ("3x5", "2x2x1", "big", "32x32"):
        with pytest.raises(LookupError, match="2x4"):
            topology("v5e", shape)


def test_a_devices_own_time_is_that_of_the_program_alone_in_the_order_of_its_runs() -> None:
    """As XProf lays a profile out: other planes, other lines and other programs are not it."""

    def event(name: str, start_ns: int, duration_ns: int) -> SimpleNamespace:
        return SimpleNamespace(name=name, start_ns=start_ns, duration_ns=duration_ns)

    modules = [event("jit_block(123)", 200, 7), event("jit_block(123)", 100, 5), event("jit_other(9)", 150, 99)]
    lines = [SimpleNamespace(name="XLA Modules", events=modules), SimpleNamespace(name="XLA Ops", events=modules)]
    planes = [SimpleNamespace(name=name, lines=lines) for name in ("/host:CPU", "/device:TPU:0", "/device:TPU:1")]
    assert module_seconds(planes, "jit_block") == pytest.approx([5e-9, 7e-9])
    assert module_seconds(planes[:1], "jit_block") == []
