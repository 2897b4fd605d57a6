"""A cell of inputs of one's own: what is checked, what is timed, and under which name it is found again."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.records.command import run_command
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import read_record
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.reference_job import ReferenceJob
from oneblock.bench.worker.unseen import Unseen
from oneblock.bench.worker.watch import Bounds
from oneblock.workloads.answers.inputs import InputError
from oneblock.workloads.answers.reference import ReferenceAnswer
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.oneblock_process import oneblock_here

REFERENCE = PlatformProbe("reference", "cpu", "here", None, None, None, {"plain": ()})
WORDS = ("run", "block", "--preset", "tiny", "--phase", "prefill", "-T", "8", "--backend", "reference", "-o", "records")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(1, 8, 64)).astype(np.float32) * 5
    np.savez(tmp_path / "x.npz", x=x)
    return tmp_path / "x.npz"


def cell_of(inputs: Path | None) -> Cell:
    asked: dict[str, Any] = {
        "workloads": ("block",), "presets": ("tiny",), "phases": ("prefill",), "B": (1,), "T": (8,), "S": (8,),
        "dtypes": ("float32",), "backends": ("reference",), "ops_sets": (), "targets": (),
    }  # fmt: skip
    (cell,) = CellQuery(**asked, inputs=inputs).cells([REFERENCE])
    return cell


def test_its_first_input_is_the_files_and_the_others_are_much_like_it(file: Path) -> None:
    cell, block = cell_of(file), workloads.load("block")
    with np.load(file) as given:
        x = given["x"]
    first = cell.input_arrays(block)
    assert np.array_equal(first["x"], x)
    first["x"][:] = 0
    assert np.array_equal(cell.input_arrays(block)["x"], x), "what a backend does to it, it does to a copy"
    draw = partial(cell.unseen_arrays, block)
    others = [cell.input_arrays(block, 1), Unseen(77).arrays(block, draw), Unseen(78, 77).arrays(block, draw)]
    for other in (one["x"] for one in others):
        assert not (other == x).all(axis=-1).any()
        assert 0.8 < np.linalg.norm(other) / np.linalg.norm(x) < 1.3
    assert int((others[1]["x"] != others[2]["x"]).any(axis=-1).sum()) == 1, "a twin differs in one row"


def test_the_reference_is_of_the_given_input_and_rejects_the_answer_to_a_drawn_one(file: Path, tmp_path: Path) -> None:
    cell, block, path = cell_of(file), workloads.load("block"), tmp_path / "reference.npz"
    assert launch(ReferenceJob(cell, str(path), 2), Bounds(1, 60, 2**32)).status is Status.PASSED
    expected, weights = ReferenceAnswer.read(path), cell.weight_arrays(block)
    answers = [
        block.program(NumpyOps(), cell.case, {**weights, **of.input_arrays(block)}) for of in (cell, cell_of(None))
    ]
    assert [expected.check(one).passed for one in answers] == [True, False]


def test_another_file_is_another_cell_and_where_it_lies_is_not(file: Path, tmp_path: Path) -> None:
    cell, drawn = cell_of(file), cell_of(None)
    copy = tmp_path / "copy.npz"
    copy.write_bytes(file.read_bytes())
    assert cell_of(copy).key == cell.key
    assert cell_of(copy).name == cell.name
    np.savez(copy, x=np.ones((1, 8, 64)))
    several = (cell, drawn, cell_of(copy))
    for told in (lambda one: one.key, lambda one: one.name, lambda one: one.reference_key):
        assert len(set(map(told, several))) == 3
    assert cell.inputs is not None
    assert cell.otherwise == [f"inputs {cell.inputs.sha256[:8]}"]


def test_a_file_that_does_not_fit_is_told_before_anything_runs(file: Path) -> None:
    with pytest.raises(InputError, match="expected the arrays x, k_cache, v_cache of block decode"):
        CellQuery(("block",), ("tiny",), (), (1,), (8,), (8,), ("float32",), (), (), (), inputs=file).cells([])


def test_it_runs_is_found_again_and_reproduced_and_another_file_is_refused(file: Path, tmp_path: Path) -> None:
    done = oneblock_here(*WORDS, "--inputs", "x.npz", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)
    assert made["cell"]["inputs"]["path"] == "x.npz"
    (path,) = (tmp_path / "records").glob("*.json")
    assert "--inputs x.npz" in run_command(read_record(path))
    again = oneblock_here(*WORDS, "--inputs", "x.npz", cwd=tmp_path)
    assert "1 of 1 cells had a record already" in again.stderr
    shown = oneblock_here("show", "reference", "-o", "records", cwd=tmp_path)
    assert f"inputs: x.npz, SHA-256 {made['cell']['inputs']['sha256'][:16]}...: checked" in shown.stdout
    same = oneblock_here("reproduce", "reference", "-o", "records", cwd=tmp_path)
    assert "status passed (the record: passed)" in same.stdout
    np.savez(file, x=np.ones((1, 8, 64)))
    refused = oneblock_here("reproduce", "reference", "-o", "records", cwd=tmp_path)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert "changed since it was named" in refused.stderr
    file.unlink()
    gone = oneblock_here("reproduce", "reference", "-o", "records", cwd=tmp_path)
    assert "No such file or directory; the record's inputs lay there" in gone.stderr


def test_inputs_of_which_another_has_the_same_answer_prove_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 8, 64)))
    done = oneblock_here(*WORDS, "--inputs", "x.npz", "--json", cwd=tmp_path)
    (record,) = json.loads(done.stdout)
    assert record["status"] == "invalid"
    assert "accepts wrong answers" in record["reason"]
