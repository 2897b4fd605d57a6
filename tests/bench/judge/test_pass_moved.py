from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from oneblock.bench.judge.pass_moved import PassSearch, pass_moved
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.terminal.releases import passes_in_words
from tests.bench.report.test_report import record
from tests.helpers.stage_records import HLO, PLANTED, RENUMBERED, store


def module(*operations: str) -> str:
    """A kernel in MLIR, of these operations one after another."""
    lines = [f"    %{n} = {name} %arg0 : i32 loc(#loc{n})" for n, name in enumerate(operations)]
    return "\n".join(["module {", "  tt.func public @k(%arg0: i32) {", *lines, "  }", "}", ""])


A, B, C, D = (module(*["arith.addi"] * n) for n in (1, 2, 3, 4))
OLD = {"000.before.Inliner": A, "001.after.CSE": B, "003.after.Canonicalizer": C, "004.after.ConvertToLLVM": D}


def searched(folder: Path, old: Mapping[str, str], new: Mapping[str, str], figure: str = "registers") -> PassSearch:
    """Of kernel k in two releases; a text stands behind the pass that left it."""
    made = [
        read_record(store(folder, record(name), **{f"mlir:k:{key}": text for key, text in of.items()}))
        for name, of in (("jax_xla", old), ("triton_kernels", new))
    ]
    return pass_moved(made[0], made[1], Store(folder), figure)


def test_a_pass_of_both_that_first_makes_two_of_one_is_named_with_what_it_changed(tmp_path: Path) -> None:
    new = {**OLD, "003.after.Canonicalizer": module("arith.addi", "arith.muli"), "004.after.ConvertToLLVM": A}
    (parting,) = searched(tmp_path, OLD, new).partings
    assert (parting.of, parting.what) == ("k", "text and operations by kind")
    assert (parting.same_until, parting.common) == (("001 CSE",) * 2, ("003 Canonicalizer",) * 2)
    assert parting.operations == {"arith.addi": (3, 1), "arith.muli": (0, 1)}
    assert parting.alone == ((), ())


def test_an_inserted_pass_is_to_blame_and_not_the_common_one_behind_it(tmp_path: Path) -> None:
    """A judge that takes the first common pass whose texts differ names ConvertToLLVM, which did nothing of its own."""
    new = {
        "000.before.Inliner": A, "001.after.CSE": B, "003.after.Canonicalizer": C,
        "004.after.FenceInsertion": module("arith.addi", "ttng.fence"), "005.after.ConvertToLLVM": module("llvm.fence"),
    }  # fmt: skip
    (parting,) = searched(tmp_path, OLD, new).partings
    assert parting.common is None
    assert parting.alone == ((), ("004 FenceInsertion",))
    assert parting.operations == {"arith.addi": (3, 1), "ttng.fence": (0, 1)}


def test_a_renamed_pass_that_does_the_same_is_passed_over(tmp_path: Path) -> None:
    new = {"000.before.Inliner": A, "001.after.CommonSubexpressions": B, "003.after.Canonicalizer": C}
    (parting,) = searched(tmp_path, OLD, {**new, "004.after.ConvertToLLVM": A}).partings
    assert parting.common == ("004 ConvertToLLVM",) * 2
    assert searched(tmp_path, OLD, {**new, "004.after.ToLLVM": D}).same == ("k",)
    (parting,) = searched(tmp_path, OLD, {**new, "004.after.ToLLVM": A}).partings
    assert parting.alone == (("004 ConvertToLLVM",), ("004 ToLLVM",))


def test_what_a_later_pass_undoes_moved_nothing(tmp_path: Path) -> None:
    """A judge that takes the first difference names the front end, of which the next pass leaves nothing."""
    new = {**OLD, "000.before.Inliner": D, "004.after.ConvertToLLVM": A}
    (parting,) = searched(tmp_path, OLD, new).partings
    assert parting.common == ("004 ConvertToLLVM",) * 2
    assert searched(tmp_path, OLD, {**OLD, "000.before.Inliner": D}).partings == ()


def test_numbers_of_values_and_locations_part_nothing(tmp_path: Path) -> None:
    again = {key: text.replace("%", "%v").replace("#loc", "#loc1") for key, text in OLD.items()}
    assert searched(tmp_path, OLD, again).same == ("k",)


def test_programs_that_were_never_the_same_part_nowhere_by_name(tmp_path: Path) -> None:
    new = {key: text.replace("arith.addi", "arith.muli") for key, text in OLD.items()}
    (parting,) = searched(tmp_path, OLD, new).partings
    assert (parting.same_until, parting.common) == (None, ("the start",) * 2)


def test_a_text_that_moved_and_no_count_with_it_is_told_as_that(tmp_path: Path) -> None:
    swapped = D.replace("%arg0 : i32", "%arg0 {fast} : i32", 1)
    found = searched(tmp_path, OLD, {**OLD, "004.after.ConvertToLLVM": swapped})
    assert [one.what for one in found.partings] == ["text"]
    assert "k: operations by kind are the same in the end" in next(passes_in_words(found))


def test_a_figure_that_texts_tell_is_counted_in_them(tmp_path: Path) -> None:
    """And held against each other at passes of one name: text and count may part at different ones."""
    unfused = HLO.replace("fusion(%m.2), kind=kLoop, calls=%fused", "exponential(%m.2)")
    old = {"hlo:0000.p.after.start": unfused, "hlo:0001.p.after.dce": RENUMBERED, "hlo:0002.p.after.cse": HLO}
    new = {**old, "hlo:0001.p.after.dce": PLANTED, "hlo:0002.p.after.cse": unfused}
    made = [read_record(store(tmp_path, record(name), **of)) for name, of in (("jax_xla", old), ("xla_tpu", new))]
    found = pass_moved(made[0], made[1], Store(tmp_path), "fusions")
    by = {one.what: (one.same_until, one.common) for one in found.partings}
    assert by == {
        "text": (("000 start",) * 2, ("001 dce",) * 2), "fusions": (("001 dce",) * 2, ("002 cse",) * 2),
    }  # fmt: skip


def test_where_no_passes_are_kept_that_is_the_answer(tmp_path: Path) -> None:
    one = read_record(store(tmp_path, record("jax_xla"), hlo=HLO))
    found = pass_moved(one, one, Store(tmp_path), "fusions")
    assert [*passes_in_words(found)] == ["goes no further: jax_xla keeps no text after each pass"]
