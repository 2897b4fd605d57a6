"""Records beside a plan: each kind in its column, wrong answers leave a target out, another model's are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.commands.plan import COMMAND
from oneblock.bench.cost.evidence import Evidence, right
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store
from oneblock.workloads.models import preset
from tests.bench.cost.test_tried import of
from tests.bench.report.test_report import record
from tests.helpers.stage_records import run

TARGETS = ("--target", "cuda:sm_90", "--target", "tpu:v5e")


def kept(folder: Path, *records: Record) -> Path:
    store = Store(folder)
    for one in records:
        store.add(one)
    return folder


def test_what_was_compiled_stands_beside_what_is_modelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folder, page = kept(tmp_path / "records", of("tpu:v5e"), of("cuda:sm_90")), tmp_path / "plan.html"
    code, said = run(COMMAND, folder, *TARGETS, "--to", page)
    assert code == 0
    assert "compiled: scratch" in said
    assert said.count("decode B1 S512") == 2
    assert "What records say" in page.read_text()
    found = json.loads(run(COMMAND, folder, *TARGETS, "--json")[1])["records"]
    assert [one["measured_s"] for one in found] == [None, None], "what was compiled was not measured"
    assert all(one["modelled_s"] > 0 for one in found)


def test_a_target_whose_answers_are_all_wrong_is_left_out_and_one_right_answer_keeps_it(tmp_path: Path) -> None:
    failed = replace(of("cuda:sm_90"), status=Status.FAILED)
    code, said = run(COMMAND, kept(tmp_path / "wrong", failed), *TARGETS)
    assert code == 0
    assert "cuda:sm_90: its answer is wrong in all 1 cells" in said
    assert "tpu:v5e serves a request for least" in said
    mixed = kept(tmp_path / "mixed", failed, replace(of("cuda:sm_90"), cell=replace(failed.cell, ops_set="native")))
    assert "cuda:sm_90 serves a request for least" in run(COMMAND, mixed, *TARGETS)[1]


def test_records_of_another_model_are_refused_by_name(tmp_path: Path) -> None:
    folder = kept(tmp_path / "records", of("tpu:v5e"))
    code, said = run(COMMAND, folder, "--preset", "llama-8b")
    assert code == 2
    assert "no block of llama-8b in bfloat16: they are of llama-1b in bfloat16" in said


def test_scratch_that_a_compiler_reports_leaves_room_for_fewer_sequences(tmp_path: Path) -> None:
    """10 GiB of v5e's 16: the rest has room for as many caches, by hand; a smaller and a wrong one count for none."""
    record = of("tpu:v5e")
    assert record.facts is not None
    large, small = (replace(record, facts=replace(record.facts, scratch_bytes=n)) for n in (10 * 2**30, 2**20))
    small = replace(small, cell=replace(small.cell, ops_set="native"))
    worse = replace(record.facts, scratch_bytes=15 * 2**30)
    wrong = replace(record, facts=worse, status=Status.FAILED, cell=replace(record.cell, ops_set="kernels"))
    folder = kept(tmp_path / "records", large, small, wrong)
    asked = (*TARGETS, "--traffic", "2048:256", "--json")
    with_scratch, without = (
        {one["target"]: one for one in json.loads(run(COMMAND, *given, *asked)[1])["choices"]}
        for given in ([folder], [])
    )
    cell = preset("llama-1b")
    each = 16 * 2 * cell.kv_heads * cell.head_width * (2048 + 256) * 2
    fewer = without["tpu:v5e"]["batch"] - with_scratch["tpu:v5e"]["batch"]
    assert with_scratch["tpu:v5e"]["scratch_bytes"] == 10 * 2**30
    assert fewer * each == pytest.approx(10 * 2**30, rel=0.25), "batches that are tried lie some percent apart"
    assert with_scratch["cuda:sm_90"] == without["cuda:sm_90"]
    _, said = run(COMMAND, folder, *TARGETS)
    assert "tpu:v5e: less 10 GiB of scratch, as its compiler reports of block-llama-1b-decode" in said


def test_what_a_backend_cannot_do_is_no_evidence(tmp_path: Path) -> None:
    cannot = replace(of("cuda:sm_90"), status=Status.UNSUPPORTED, reason="it has no such target", facts=None)
    found = json.loads(run(COMMAND, kept(tmp_path / "records", of("tpu:v5e"), cannot), *TARGETS, "--json")[1])
    assert [one["target"] for one in found["records"]] == ["tpu:v5e"]


def test_a_way_that_is_wrong_elsewhere_gives_no_right_answer() -> None:
    good = replace(of("cuda:sm_90"), status=Status.INTERPRETED, check=record().check)
    bad = replace(good, status=Status.FAILED)
    assert good.check is not None
    assert good.check.passed
    here = [Evidence(Path("a"), good)]
    assert right(here) == {"cuda:sm_90"}
    assert right([*here, Evidence(Path("b"), bad)]) == frozenset()
    other = replace(bad, cell=replace(bad.cell, ops_set="native"))
    assert right([*here, Evidence(Path("b"), other)]) == {"cuda:sm_90"}
