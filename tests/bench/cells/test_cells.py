"""Which cells a command line means, given what is here."""

from __future__ import annotations

import pytest

from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.format.errors import Refused
from oneblock.compilers.api.kind import Kind

HERE = [
    PlatformProbe("measured", "cpu", "cpu", Kind.MEASURED, None, None, {"plain": ()}),
    PlatformProbe("interpreted", "cpu", "cpu", Kind.INTERPRETED, None, None, {"kernels": ("rope",)}),
    PlatformProbe(
        "elsewhere", "tpu", None, None, "no TPU", "name one", {"plain": ()}, compiles_for=("tpu:v5e", "tpu:v6e")
    ),
    PlatformProbe(
        "absent", "cuda", None, None, "not installed", "pip install it", {"plain": (), "own": ("rope",), "tuned": ()}
    ),
    PlatformProbe("broken", "", None, None, "it does not load", "mend it"),
]


def found(backends: tuple[str, ...] = (), targets: tuple[str, ...] = (), ops_sets: tuple[str, ...] = ()) -> list[Cell]:
    wanted = CellQuery(("norm",), ("tiny",), ("prefill",), (1,), (8,), (8,), ("float32",), backends, ops_sets, targets)
    rows = [row for row in HERE if row.backend in backends or not backends]
    return wanted.cells(rows)


def test_sizes_are_choices_like_the_others_and_each_phase_has_its_own() -> None:
    wanted = CellQuery(("block",), ("tiny",), (), (1, 4), (8, 16), (32,), ("float32",), ("measured",), (), ())
    sizes = [(cell.case.phase, cell.case.B, cell.case.T, cell.case.S) for cell in wanted.cells(HERE[:1])]
    prefill, decode = ([size for phase, *size in sizes if phase == name] for name in ("prefill", "decode"))
    assert sorted(prefill) == [[1, 8, 8], [1, 16, 16], [4, 8, 8], [4, 16, 16]]
    assert sorted(decode) == [[1, 1, 32], [4, 1, 32]], "a decode reads one token, whatever -T says"


def ways(*asked: tuple[str, ...], **named: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(cell.backend, str(cell.target)) for cell in found(*asked, **named)]


def test_without_names_only_what_is_timed_here_takes_part() -> None:
    assert ways() == [("measured", "cpu")]


def test_a_target_calls_those_that_have_it() -> None:
    assert ways(targets=("tpu:v5e",)) == [("elsewhere", "tpu:v5e")]
    assert ways(targets=("cpu",)) == [("measured", "cpu"), ("interpreted", "cpu")]
    with pytest.raises(Refused, match="doctor"):
        ways(targets=("tpu:v4",))


def test_a_compiler_that_is_named_compiles_for_all_it_knows() -> None:
    assert ways(("elsewhere",)) == [("elsewhere", "tpu:v5e"), ("elsewhere", "tpu:v6e")]


def test_what_is_named_and_not_here_gets_a_record_that_says_so() -> None:
    assert ways(("absent",)) == [("absent", "cuda"), ("absent", "cuda")]
    assert ways(("measured",), ("tpu:v5e",)) == [("measured", "tpu:v5e")]


def test_the_ops_sets_of_a_backend_that_is_not_here_are_those_that_it_declares() -> None:
    assert [cell.ops_set for cell in found(("absent",))] == ["plain", "own"], "tuned takes a search"
    assert [cell.ops_set for cell in found(("absent",), ops_sets=("tuned",))] == ["tuned"]
    with pytest.raises(LookupError, match=r"unknown ops set 'onw'.*did you mean 'own'"):
        found(("absent",), ops_sets=("onw",))


def test_what_does_not_say_its_ops_sets_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(Refused, match="broken does not say which ops it has: it does not load; mend it"):
        found(("broken",))
    assert [cell.ops_set for cell in found(("broken",), ops_sets=("plain",))] == ["plain"]
