"""HBM traffic by array in HLO: what each operation moves and why, and the two copies of a cross-program prefetch."""
# ruff: noqa: E501  HLO has long lines

from __future__ import annotations

from oneblock.compilers.api.traffic import Traffic, by_array
from oneblock.compilers.hlo.counts import count
from oneblock.compilers.hlo.parser import parse

HEAD = "HloModule jit_block, is_scheduled=true, entry_computation_layout={()->f32[]}\n\n"
WEIGHT, X, Y = 64 * 32 * 2, 8 * 64 * 4, 8 * 32 * 4

# As XLA:TPU writes a weight that it fetches for the next call: at the head with an index, and at the end without a user.
PREFETCHED = (
    HEAD
    + r"""
ENTRY %main (w: bf16[64,32], x: f32[8,64]) -> f32[8,32] {
  %w = bf16[64,32]{1,0:T(8,128)(2,1)} parameter(0), metadata={op_name="a[\'gate_weight\']"}
  %copy-start = (bf16[64,32]{1,0:T(8,128)(2,1)S(1)}, bf16[64,32]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%w), cross_program_prefetch_index=0
  %x = f32[8,64]{1,0:T(8,128)} parameter(1), metadata={op_name="a[\'x\']"}
  %negate = f32[8,64]{1,0:T(8,128)S(1)} negate(%x), metadata={op_name="jit(block)/qkv/neg"}
  %copy-done = bf16[64,32]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start)
  %copy-start.1 = (bf16[64,32]{1,0:T(8,128)(2,1)S(1)}, bf16[64,32]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%w)
  ROOT %dot = f32[8,32]{1,0:T(8,128)} dot(%negate, %copy-done), lhs_contracting_dims={1}, rhs_contracting_dims={0}, metadata={op_name="jit(block)/mlp/dot"}
  %copy-done.1 = bf16[64,32]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start.1)
}
"""
)
_END = tuple(line for line in PREFETCHED.splitlines(keepends=True) if "copy-start.1" in line)
KEPT = PREFETCHED.replace(_END[0], "").replace(_END[1], "")  # its room is not wanted in between
ORDINARY = PREFETCHED.replace(", cross_program_prefetch_index=0", "")
FETCHED_AGAIN = PREFETCHED.replace("dot(%negate, %copy-done)", "dot(%negate, %copy-done.1)")


def traffic(text: str) -> Traffic:
    found = count(parse(text), ("qkv", "mlp"))
    assert found.traffic is not None
    assert found.hbm_bytes == found.traffic.steady_bytes == sum(step.hbm_bytes for step in found.steps)
    return found.traffic


def test_of_a_weight_that_is_fetched_for_the_next_call_one_copy_runs_in_the_steady_state() -> None:
    found = traffic(PREFETCHED)
    assert found.steady_bytes == WEIGHT + X + Y, "what is compulsory"
    assert found.first_call_bytes == 2 * WEIGHT + X + Y
    told = {one.operation: (one.array, one.first_call_only, one.reason) for one in found.transfers}
    assert told["copy-start"] == ("gate_weight", True, "cross-program prefetch: a call before this has done it")
    assert told["copy-start.1"] == ("gate_weight", False, "cross-program prefetch, for the next call")


def test_a_weight_that_stays_in_vmem_is_read_by_the_first_call_alone() -> None:
    found = traffic(KEPT)
    assert (found.steady_bytes, found.first_call_bytes) == (X + Y, WEIGHT + X + Y)
    assert any("it stays there" in one.reason for one in found.transfers)


def test_copies_that_are_no_such_prefetch_all_count() -> None:
    """Without the index both run in every call; with a user the second is no fetch for the next call."""
    assert traffic(ORDINARY).steady_bytes == traffic(ORDINARY).first_call_bytes == 2 * WEIGHT + X + Y
    again = traffic(FETCHED_AGAIN)
    assert not any("prefetch, for the next call" in one.reason for one in again.transfers)
    assert (again.steady_bytes, again.first_call_bytes) == (WEIGHT + X + Y, 2 * WEIGHT + X + Y)


def test_the_difference_is_a_caveat_and_where_there_is_none_nothing_is_said() -> None:
    said, unsaid = (" ".join(count(parse(text), ()).caveats) for text in (PREFETCHED, ORDINARY))
    assert f"{WEIGHT / 1e6:.4g} MB more" in said
    assert "cross-program" not in unsaid


def test_arrays_have_the_names_that_people_gave_them_and_results_those_of_their_operations() -> None:
    rows = {
        (row.array, row.direction): row for row in by_array(traffic(PREFETCHED).transfers) if not row.first_call_only
    }
    assert rows.keys() == {("gate_weight", "read"), ("x", "read"), ("dot", "written")}
    assert rows["dot", "written"].reason == "result of the program"
    assert (rows["x", "read"].steps, rows["x", "read"].operations) == (("qkv",), ("negate",))


def test_transfers_that_differ_in_their_operation_alone_are_one_row_and_keep_their_sum() -> None:
    text = (
        f"{HEAD}ENTRY %main (w: f32[64,8]) -> f32[8,8] {{\n"
        "  %w = f32[64,8]{1,0} parameter(0)\n"
        "  %slice-start = ((f32[64,8]{1,0}), f32[16,8]{1,0:S(1)}, s32[]{:S(2)}) slice-start(%w), slice={[0:16], [0:8]}\n"
        "  %slice-start.1 = ((f32[64,8]{1,0}), f32[16,8]{1,0:S(1)}, s32[]{:S(2)}) slice-start(%w), slice={[16:32], [0:8]}\n"
        "  %slice-done = f32[16,8]{1,0:S(1)} slice-done(%slice-start)\n"
        "  %slice-done.1 = f32[16,8]{1,0:S(1)} slice-done(%slice-start.1)\n"
        "  %add = f32[16,8]{1,0:S(1)} add(%slice-done, %slice-done.1)\n"
        "  ROOT %s = f32[8,8]{1,0} slice(%add), slice={[0:8], [0:8]}\n}\n"
    )
    found = traffic(text)
    first, second = by_array(found.transfers)
    assert (first.array, first.bytes, first.times) == ("w", 2 * 16 * 8 * 4, 2)
    assert first.operations == ("slice-start", "slice-start.1")
    assert (second.array, second.bytes) == ("s", 8 * 8 * 4)
    assert first.bytes + second.bytes == found.steady_bytes


def test_a_loop_moves_as_often_as_it_runs_and_an_unknown_number_of_trips_has_no_list() -> None:
    loop = """
%body (t: (s32[], f32[16])) -> (s32[], f32[16]) {
  %t = (s32[], f32[16]{0}) parameter(0)
  %i = s32[] get-tuple-element(%t), index=0
  %v = f32[16]{0} get-tuple-element(%t), index=1
  %twice = f32[16]{0} add(%v, %v)
  ROOT %r = (s32[], f32[16]{0}) tuple(%i, %twice)
}

ENTRY %main (a: (s32[], f32[16])) -> (s32[], f32[16]) {
  %a = (s32[], f32[16]{0}) parameter(0)
  ROOT %while = (s32[], f32[16]{0}) while(%a), condition=%condition, body=%body
}
"""
    known = loop.replace("body=%body", 'body=%body, backend_config={"known_trip_count":{"n":"12"}}')
    found = traffic(HEAD + known)
    assert {(one.array, one.direction, one.bytes, one.times) for one in found.transfers} == {
        ("t[1]", "read", 64, 12), ("twice", "written", 64, 12),
    }  # fmt: skip
    assert count(parse(HEAD + loop), ()).traffic is None
