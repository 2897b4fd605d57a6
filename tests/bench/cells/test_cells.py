"""Which cells a command line means, given what is here."""

from __future__ import annotations

import pytest

from oneblock.bench.cells.probed import Probed
from oneblock.bench.cells.wanted import Wanted, cells
from oneblock.bench.format.errors import Refused
from oneblock.compilers.api.kind import Kind

HERE = [
    Probed("measured", "cpu", "cpu", Kind.MEASURED, None, None, ("plain",)),
    Probed("interpreted", "cpu", "cpu", Kind.INTERPRETED, None, None, ("kernels",)),
    Probed("elsewhere", "tpu", None, None, "no TPU", "name one", ("plain",), compiles_for=("tpu:v5e", "tpu:v6e")),
    Probed("absent", "", None, None, "not installed", "pip install it"),
]


def ways(backends: tuple[str, ...] = (), targets: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    wanted = Wanted(("norm",), ("tiny",), ("prefill",), 1, 8, 8, ("float32",), backends, (), targets)
    rows = [row for row in HERE if row.backend in backends or not backends]
    return [(cell.backend, cell.target) for cell in cells(wanted, rows)]


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
    assert ways(("absent",)) == [("absent", "cpu")]
    assert ways(("measured",), ("tpu:v5e",)) == [("measured", "tpu:v5e")]
