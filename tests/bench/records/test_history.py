"""Records that earlier versions wrote are read as before; those of no version are refused, and failures show no number.

The records of schema N in fixtures/records were written by the last commit of that schema, and those in fixtures/page
by that of schema 5; samples were cut, and nothing else was changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.commands.reproduce import _verdict
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.judge.compare import compare
from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.record import ANSWERS, SCHEMA, Status
from oneblock.bench.records.store import Store, read_record, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.bench.report.rows.cells import cell_row
from oneblock.bench.report.study import Study
from oneblock.compilers.api.call import Column, ToldCall
from oneblock.compilers.api.calls import NeuronCall, TirCall
from oneblock.compilers.api.facts import Estimate, Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel, Occupancy
from oneblock.compilers.api.kind import Kind, Reported
from oneblock.workloads.models import PRESETS
from tests.bench.report.test_report import drawn, ended, launch, record
from tests.helpers.stage_records import run

FIXTURES = Path(__file__).parents[2] / "fixtures"
OLD = sorted([*(FIXTURES / "records").glob("*.json"), *(FIXTURES / "page").glob("*.json")])
NEW = (Status.DISTURBED, Status.OVERFLOW)


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem[-40:])
def test_a_record_of_an_older_schema_says_what_it_said(path: Path) -> None:
    old, found = json.loads(path.read_text()), read_record(path)
    assert old["schema"] < SCHEMA == found.schema
    assert (found.cell.name, found.status, found.created) == (path_name(old), old["status"], old["created"])
    assert [list(launch.cold_s) for launch in found.launches] == [each["cold_s"] for each in old["launches"]]
    assert found.family == old["cell"]["case"]["config"]["family"], "what is known of a new field is kept"
    config = found.cell.case.config
    assert config == PRESETS[config.name], "what its family stood for is said property by property"
    assert (found.model, found.reported, found.environment.machine_identity) == (None, None, None)
    assert (found.cell.toolchain, found.cell.variant, found.cell.sharding) == (None, None, None)


def test_a_doubt_without_a_cause_keeps_its_sentence_and_says_so() -> None:
    path = FIXTURES / "records/schema-6.json"
    said, doubts = json.loads(path.read_text())["doubts"], read_record(path).doubts
    assert said
    untold = [(doubt.cause, doubt.words) for doubt in doubts[:-1]]
    assert untold == [(Cause.UNTOLD, words) for words in said]
    assert doubts[-1].cause is Cause.CACHES_COPIED, "a decode of that time"


def path_name(old: dict[str, Any]) -> str:
    cell, case = old["cell"], old["cell"]["case"]
    lengths = f"T{case['T']}" + (f"-S{case['S']}" if case["S"] != case["T"] else "")
    size = f"{case['workload']}-{case['config']['name']}-{case['phase']}-B{case['B']}-{lengths}-{cell['dtype']}"
    return f"{size}-{cell['backend']}-{cell['ops_set']}-{cell['target'].replace(':', '_')}"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("schema-1", r"reference\s+│ plain │ cpu\s+│ passed"),
        ("schema-2", r"process 0"),
        ("schema-3", r"mlp\s.*swiglu_kernel\s.*100%, 8 by warps"),
        ("schema-6", r"1 cell: a record of an older schema, which names no cause \(1 doubted\)"),
        ("schema-4", r"norm1\s.*fused_mean_add_tir_sqrt_divide_multiply1\s.*520 arithmetic scalar"),
    ],
)
def test_the_commands_show_it(name: str, says: str) -> None:
    code, said = run(SHOW, FIXTURES / "records" / f"{name}.json")
    assert code == 0
    assert re.search(says, said), said


def test_what_was_read_is_written_as_one_of_today(tmp_path: Path) -> None:
    for path in OLD:
        (tmp_path / "again.json").write_bytes(to_json(read_record(path)))
        assert read_record(tmp_path / "again.json") == read_record(path)


def test_the_calls_of_an_older_record_are_those_that_it_had() -> None:
    read = {path.stem: (json.loads(path.read_text()).get("facts"), read_record(path).facts) for path in OLD}
    for old, new in read.values():
        sorts = ("gpu_kernels", "tir_calls", "neuron_calls", "kernels")
        had = [one for sort in sorts for one in (old or {}).get(sort, ())]
        calls = new.calls if new else ()
        assert len(had) == len(calls)
        for was, now in zip(had, calls, strict=True):
            assert now.name == next(was[name] for name in ("name", "function", "kernel") if name in was)
            assert list(now.steps) == was.get("steps", (was.get("step") or "").split("+"))
            assert now.registers == was.get("registers")
            assert sum(now.modelled_s.values()) == (
                sum(was["modelled_s"].values()) if type(was.get("modelled_s")) is dict else was.get("modelled_s", 0)
            )
    found = {sort for _, new in read.values() if new for sort in new.by_sort}
    assert found >= {GpuKernel, TirCall, NeuronCall}, "of each of these a record is here"


def test_a_call_of_a_sort_that_is_not_known_is_refused(tmp_path: Path) -> None:
    raw = json.loads(to_json(read_record(FIXTURES / "records/schema-3.json")))
    for change in ({"tag": "quantum"}, {"sbuf_bytes": 1}):
        calls = [raw["facts"]["calls"][0] | change]
        (tmp_path / "r.json").write_text(json.dumps(raw | {"facts": raw["facts"] | {"calls": calls}}))
        with pytest.raises(StoreError, match=r"facts\.calls\.0"):
            read_record(tmp_path / "r.json")


@pytest.mark.parametrize(
    "change",
    [{"cell": None}, {"cell": {}}, {"launches": None}, {"schema": 0}, {"schema": -1}, {"surprise": 1}, {"status": "?"}],
)
def test_an_older_record_with_other_fields_is_none(change: dict[str, Any], tmp_path: Path) -> None:
    raw = json.loads((FIXTURES / "records/schema-1.json").read_text()) | change
    (tmp_path / "old.json").write_text(json.dumps(raw))
    with pytest.raises(StoreError, match=r"old\.json"):
        read_record(tmp_path / "old.json")


ODD = (None, [], [1, 2], {}, {"a": 1}, "abc", -1, 1.5, True, [["a", "b"]])


def test_whatever_stands_in_the_place_of_a_field_stops_no_other_record(tmp_path: Path) -> None:
    good = json.loads((FIXTURES / "records/schema-4.json").read_text())
    parts = [(), *((part,) for part in ("cell", "environment", "facts")), ("cell", "case"), ("cell", "case", "config")]
    (tmp_path / "b.json").write_text(json.dumps(good))
    places = {(*part, key) for part in parts for key in at(good, part)} | {("facts", "tir_calls", 0), ("launches", 0)}
    for place, odd in product(sorted(places, key=str), ODD):
        *part, key = place
        raw = deepcopy(good)
        at(raw, part)[key] = odd
        (tmp_path / "a.json").write_text(json.dumps(raw))
        read, problems = Store(tmp_path).records()
        assert tmp_path / "b.json" in [path for path, _ in read], f"{odd!r} in the place of {place}"
        assert len(read) + len(problems) == 2
    raw = json.loads((FIXTURES / "records/schema-1.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(raw | {"environment": raw["environment"] | {"software": [1, 2, 3]}}))
    (problem,) = Store(tmp_path).records()[1]
    assert "expected the fields of schema 1" in problem.why


def at(raw: Any, place: Sequence[str | int]) -> Any:
    return reduce(getitem, place, raw)


@pytest.mark.parametrize(
    "where",
    [
        "facts.kind", "facts.estimates.0.kind", "facts.calls.0.told.0.kind", "facts.calls.1.occupancy.kind",
        "limits.kind", "costs.kind",
    ],
)  # fmt: skip
def test_no_number_within_a_record_of_ours_is_reported(where: str, tmp_path: Path) -> None:
    calls = (
        ToldCall(name="wave", told=(Column("cells", 12),)),
        GpuKernel(name="k", kind="triton", occupancy=Occupancy(2, 16, 0.25, "registers")),
    )
    made = replace(record(), facts=Facts(estimates=(Estimate("xla", 1.0, "by XLA"),), calls=calls))
    raw = json.loads(to_json(made))
    *part, key = [int(one) if one.isdecimal() else one for one in where.split(".")]
    at(raw, part)[key] = "reported"
    (tmp_path / "r.json").write_text(json.dumps(raw))
    with pytest.raises(StoreError, match=f"{re.escape(where)}: a number without its source is hearsay"):
        read_record(tmp_path / "r.json")
    at(raw, part)[key] = "modelled"
    (tmp_path / "r.json").write_text(json.dumps(raw))
    assert read_record(tmp_path / "r.json").reported is None
    source = {"device": "NVIDIA H100", "software": "vLLM", "version": "0.33", "source": "a table of 2026-08-01"}
    at(raw, part)[key] = "reported"
    (tmp_path / "r.json").write_text(json.dumps(raw | {"kind": "reported", "reported": source}))
    assert read_record(tmp_path / "r.json").reported is not None, "with its source it is"


def test_a_reported_number_needs_its_source_and_no_other_has_one(tmp_path: Path) -> None:
    source = Reported("NVIDIA H100", "vLLM", "0.33", "a table of 2026-08-01")
    path = tmp_path / "r.json"
    path.write_bytes(to_json(replace(record(), kind=Kind.REPORTED, reported=source)))
    assert read_record(path).reported == source
    for wrong in (replace(record(), kind=Kind.REPORTED), replace(record(), reported=source)):
        path.write_bytes(to_json(wrong))
        with pytest.raises(StoreError, match="hearsay"):
            read_record(path)


def test_a_reported_number_stands_beside_its_source_and_beside_no_number_of_ours(tmp_path: Path) -> None:
    source = Reported("NVIDIA H100", "vLLM", "0.33", "a table of 2026-08-01")
    ours = record("torch_eager")
    theirs = replace(record("jax_xla"), kind=Kind.REPORTED, reported=source, launches=(launch(0, 0.777),))
    refused = compare(ours, replace(theirs, cell=ours.cell)).refused
    assert refused == "B is reported, and only what was measured is compared with what was measured"
    page = drawn(Study("A report", [(Path("a.json"), ours), (Path("b.json"), theirs)]))
    parts = re.findall(r'<section aria-labelledby="(\w+)">(.*?)</section>', page, re.DOTALL)
    with_it = [name for name, text in parts if "777" in text]
    assert with_it == ["reported"], "in a table of its own alone"
    (its,) = [text for name, text in parts if name == "reported"]
    assert all(words in its for words in ("NVIDIA H100", "vLLM 0.33", "a table of 2026-08-01"))
    assert "torch_eager" not in its
    for name, made in (("a", ours), ("b", theirs)):
        (tmp_path / f"{name}.json").write_bytes(to_json(made))
    _, said = run(SHOW, "-o", tmp_path)
    measured, reported = said.split("(reported: measured elsewhere by others")
    assert ("777 ms" in measured, "777 ms" in reported, "torch_eager" in reported) == (False, True, False)


@pytest.mark.parametrize("status", NEW)
def test_a_failure_is_no_number_anywhere(status: Status, tmp_path: Path) -> None:
    made = ended(status, "torch_eager")
    assert {name: v for name, v in cell_row(made).items() if name.endswith("_s") and v is not None} == {}
    page = drawn(Study("A report", [(Path("r.json"), made)]))
    assert "12.3" not in page
    assert f'<span class="word bad">1 {status}</span>' in page
    assert "torch_eager ended so" in page
    refused = compare(record("torch_eager"), made).refused
    assert refused is not None
    assert f"B is {status}" in refused
    (tmp_path / "r.json").write_bytes(to_json(made))
    code, said = run(SHOW, "-o", tmp_path)
    assert code == 0
    assert re.search(rf"torch_eager .* {status}", said)
    assert "12.3" not in said


def test_an_overflow_is_an_answer_and_a_disturbance_is_none() -> None:
    assert Status.OVERFLOW in ANSWERS
    assert Status.DISTURBED not in ANSWERS
    disturbed = ended(Status.DISTURBED, "torch_eager")
    assert _verdict(disturbed, disturbed)["agrees"] is None
    wrong = cell_row(ended(Status.OVERFLOW, "torch_eager"))
    assert wrong["relative_l2"] is None
    assert cell_row(record("torch_eager"))["relative_l2"] is not None, "so it would be there"
