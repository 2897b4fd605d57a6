"""Records beside a plan: each kind in its column, wrong answers leave a target out, another model's are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.commands.plan import COMMAND
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store
from tests.bench.cost.test_tried import of
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
