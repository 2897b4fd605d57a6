"""`--replace`: what is said of it before anything is run, and what a kernel of one's own makes of a cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock import backends
from oneblock.backends.api.own_kernels import OwnKernel, OwnKernelError, TakesKernels
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.compare import compare
from oneblock.bench.judge.pairs import pair
from oneblock.bench.records.command import run_command
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.sound import unsound
from oneblock.bench.runs.probes import rows
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import record as record_of

FILE = "import nki\ndef kernel(x, weight, eps): ...\nother = kernel\nif True:\n    late = 1\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.py").write_text(FILE)
    (tmp_path / "no.py").write_text("def kernel(:\n")
    (tmp_path / "odd.py").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)


def asked(*words: str, names: tuple[str, ...] = ("neuron_nki",), ops_sets: tuple[str, ...] = ()) -> CellQuery:
    return CellQuery(
        ("norm",), ("tiny",), ("prefill",), (1,), (8,), (8,), ("float32",), names, ops_sets, ("neuron:trn2",),
        replaced=words,
    )  # fmt: skip


def cell_of(*words: str) -> Cell:
    (cell,) = asked(*words).cells(rows(["neuron_nki"], True, Bounds(1, 60, 2**30)))
    return cell


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"words": ("rms_norm",)}, r"--replace takes OPERATION=FILE.py:FUNCTION, .*got 'rms_norm'"),
    ({"words": ("rms_norm=my.py",)}, "takes OPERATION=FILE.py:FUNCTION"),
    ({"words": ("rms_norm=my.txt:kernel",)}, "takes OPERATION=FILE.py:FUNCTION"),
    ({"words": ("rms_norm=my.py:no-name",)}, "takes OPERATION=FILE.py:FUNCTION"),
    ({"words": ("rms_norn=my.py:kernel",)}, r"unknown operation of neuron_nki 'rms_norn'; did you mean 'rms_norm'"),
    ({"words": ("experts=my.py:kernel",)}, r"unknown operation of neuron_nki 'experts'.*there are: linear, rms_norm"),
    ({"words": ("rms_norm=none.py:kernel",)}, "none.py: No such file or directory: expected a file with your kernel"),
    ({"words": ("rms_norm=my\0.py:kernel",)}, "expected"),
    ({"words": ("rms_norm=no.py:kernel",)}, "no.py line 1: .*: expected Python"),
    ({"words": ("rms_norm=odd.py:kernel",)}, "odd.py: expected Python, got"),
    ({"words": ("rms_norm=my.py:kernle",)}, r"my.py: unknown function 'kernle'; did you mean 'kernel'"),
    ({"words": ("rms_norm=my.py:kernel", "rms_norm=my.py:other")}, "rms_norm is replaced twice"),
    ({"words": ("rms_norm=my.py:kernel",), "names": ()}, "expected one --backend .*neuron_nki.*, got none"),
    ({"words": ("rms_norm=my.py:kernel",), "names": ("jax_xla",)}, "expected one --backend .*, got --backend jax_xla"),
    ({"words": ("rms_norm=my.py:kernel",), "names": ("neuron_nki", "pallas_tpu")}, "expected one --backend"),
    ({"words": ("rms_norm=my.py:kernel",), "ops_sets": ("plain",)}, "ops set kernels, and --ops says plain"),
]


@pytest.mark.parametrize(("given", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_a_sentence_before_anything_is_started(given: dict[str, Any], said: str) -> None:
    words = given.pop("words")
    try:
        with pytest.raises((Refused, LookupError), match=said):
            asked(*words, **given).cells([])
    finally:
        given["words"] = words


@pytest.mark.parametrize("name", ["kernel", "other", "late"])
def test_whatever_a_file_binds_is_found_without_running_it(name: str) -> None:
    assert cell_of(f"rms_norm=my.py:{name}").replaced[0].function == name


def test_every_operation_of_the_ops_set_may_be_replaced_and_no_other() -> None:
    for name in backends.having(TakesKernels):
        backend = backends.ours(name)
        assert isinstance(backend, TakesKernels)
        assert {*backend.signatures} == {*backend.ops_sets["kernels"]}


def test_another_text_or_function_is_another_cell_and_where_the_file_lies_is_not(tmp_path: Path) -> None:
    ours, mine, other = cell_of(), cell_of("rms_norm=my.py:kernel"), cell_of("rms_norm=my.py:other")
    (tmp_path / "copy.py").write_text(FILE)
    (tmp_path / "changed.py").write_text(FILE + "# slower\n")
    changed = cell_of("rms_norm=changed.py:kernel")
    assert cell_of("rms_norm=copy.py:kernel").key == mine.key
    for told in (lambda one: one.key, lambda one: one.name, lambda one: one.ops):
        assert len(set(map(told, (ours, mine, other, changed)))) == 4
    assert len({one.reference_key for one in (ours, mine, changed)}) == 1, "what is right is not for a kernel to say"
    assert mine.ops == f"kernels, rms_norm=my.py:kernel@{mine.replaced[0].sha256[:8]}"
    assert ours.ops == "kernels"


def test_a_text_that_changed_or_is_gone_or_is_no_python_is_not_run(tmp_path: Path) -> None:
    (mine,) = cell_of("rms_norm=my.py:kernel").replaced
    assert mine.text() == FILE.encode()
    with pytest.raises(OwnKernelError, match=r"expected a .py file"):
        replace(mine, path="artifacts/0.txt").text()
    (tmp_path / "my.py").write_text(FILE + " ")
    with pytest.raises(OwnKernelError, match="another text than it was: expected SHA-256"):
        mine.text()
    (tmp_path / "my.py").unlink()
    with pytest.raises(OwnKernelError, match="No such file or directory"):
        mine.text()


def counted(cell: Cell) -> Record:
    return replace(
        record_of(), cell=cell, status=Status.INTERPRETED, kind=Kind.INTERPRETED, launches=(),
        facts=Facts(kind=Kind.INTERPRETED),
    )  # fmt: skip


def test_the_last_of_ones_own_is_compared_with_ours_and_named() -> None:
    ours, first, last = map(counted, (cell_of(), cell_of("rms_norm=my.py:other"), cell_of("rms_norm=my.py:kernel")))
    pairs, left, right = pair([ours], [first, last])
    assert [(a.cell.key, b.cell.key) for a, b in pairs] == [(ours.cell.key, last.cell.key)]
    assert (left, [one.cell.key for one in right]) == ([], [first.cell.key])
    assert pair([ours], [last, counted(cell_of())])[0][0][1].cell.key == ours.cell.key, (
        "ours is compared with ours first"
    )
    found = compare(ours, last)
    assert found.refused is None
    assert any("rms_norm=kernel@" in line and "None in A" in line for line in found.across)
    apart = counted(replace(last.cell, dtype="bfloat16"))
    assert "dtype" in str(compare(ours, apart).refused), "what else differs forbids it as ever"
    assert pair([ours], [apart])[0] == []


def test_a_record_says_what_replaced_what_and_a_strange_one_is_refused() -> None:
    mine = counted(cell_of("rms_norm=my.py:kernel"))
    assert "--replace rms_norm=my.py:kernel" in run_command(mine)
    assert not list(unsound(mine))
    for odd in (OwnKernel("a b", "my.py", "f", "0" * 64), OwnKernel("rms_norm", "my.py", "f", "0")):
        strange = replace(mine, cell=replace(mine.cell, replaced=(odd,)))
        assert any("expected an operation, a function and a SHA-256" in one for one in unsound(strange))
