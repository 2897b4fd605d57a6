"""What a report exports is read back by the programs it is for: JSON, CSV, traces, StableHLO."""

from __future__ import annotations

import csv
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.commands.report import COMMAND as REPORT
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Record, Status
from oneblock.bench.report.exports.stages import joined
from oneblock.bench.report.rows.cells import COLUMNS, cell_row
from oneblock.compilers.api.facts import Buffer, Estimate, Memory
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import HOSTILE, record
from tests.bench.report.test_report_compiled import compiled
from tests.conftest import REQUIRED
from tests.helpers.stage_records import HLO, facts, run, store

STABLEHLO = """#loc1 = loc("jit(block)/norm1/mul"(unknown))
module @jit_block attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  sdy.mesh @empty_mesh = <[]>
  func.func public @main(%arg0: tensor<4xf32> {sdy.sharding = #sdy.sharding<@empty_mesh, [{}]>}) -> tensor<4xf32> {
    %0 = stablehlo.multiply %arg0, %arg0 : tensor<4xf32> loc(#loc1)
    return %0 : tensor<4xf32>
  }
}
"""


def trace(title: str, at: float = 0.0) -> dict[str, Any]:
    """As compilers/nki/timeline.py writes one."""
    events = [
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": f"{title} (modelled)"}},
        {"ph": "X", "name": "dma_copy", "pid": 1, "tid": 0, "ts": at, "dur": 2.0, "args": {"result_us": at + 5.0}},
    ]
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"kind": "modelled"}}


def exported(folder: Path, *records: tuple[Record, dict[str, str]]) -> Path:
    """The exports of a report of these records with these stages."""
    for made, texts in records:
        store(folder / "records", made, **texts)
    code, said = run(REPORT, "-o", folder / "records", "--to", folder / "page.html", "--export", folder / "out")
    assert code == 0, said
    assert "report.json and cells.csv of" in said
    return folder / "out"


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "cells.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_json_has_rows_records_and_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "broken.json").write_text("{")
    out = exported(tmp_path, (replace(record("jax_xla"), facts=facts()), {}))
    found = json.loads((out / "report.json").read_text())
    assert (found["format"], found["version"], found["moved"]) == ("oneblock-report", 1, [])
    assert found["against"] is None
    (cell,) = found["cells"]
    assert tuple(cell["row"]) == COLUMNS
    assert adapter().validate_python(cell["record"], strict=False).cell.backend == "jax_xla"
    assert "broken.json" in found["left_out"][0]["path"]


def test_a_row_has_times_where_they_were_measured_and_nowhere_else(tmp_path: Path) -> None:
    made = record("jax_xla")
    crashed = replace(record("torch_eager"), status=Status.CRASHED, reason="signal 11")
    elsewhere = replace(record("xla_tpu"), status=Status.COMPILED, kind=Kind.COMPILED, launches=(), reason="none here",
                        compile_s=4.5, facts=facts(), check=None)  # fmt: skip
    rows = {one["backend"]: one for one in rows_of(exported(tmp_path, (made, {}), (crashed, {}), (elsewhere, {})))}
    timed = rows["jax_xla"]
    assert float(timed["cold_low_s"]) <= float(timed["cold_s"]) <= float(timed["cold_high_s"])
    assert (timed["kind"], timed["limit_by"], timed["compile_cold_s"]) == ("measured", "memory", "1.5")
    for one in (rows["torch_eager"], rows["xla_tpu"]):
        assert not [name for name in ("cold_s", "warm_s", "of_limit", "peak_rss_bytes") if one[name]]
    assert (rows["torch_eager"]["status"], rows["torch_eager"]["reason"]) == ("crashed", "signal 11")
    counted = rows["xla_tpu"]
    assert (counted["counts_kind"], counted["fusions"], counted["compile_cold_s"]) == ("compiled", "1", "4.5")
    assert not any(value for one in rows.values() for name, value in one.items() if name.startswith("estimate_"))
    assert "counts_kind" in timed
    assert timed["fusions"] == ""


def test_an_estimate_has_a_column_of_its_method_and_no_measured_one(tmp_path: Path) -> None:
    (row,) = rows_of(
        exported(tmp_path, (compiled(estimates=(Estimate("hlo", 3e-3, ""), Estimate("odd", 1.0, ""))), {}))
    )
    assert row["estimate_hlo_s"] == "0.003"
    assert row["estimate_llo_s"] == row["cold_s"] == ""
    assert float(row["estimate_roofline_s"]) > 0


def test_no_text_is_a_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    made = [
        replace(record(name), status=Status.CRASHED, reason=reason)
        for name, reason in (("jax_xla", '=HYPERLINK("http://evil.example")'), ("torch_eager", f'a,"b"\n{HOSTILE}'))
    ]
    reasons = {one["backend"]: one["reason"] for one in rows_of(exported(tmp_path, *((one, {}) for one in made)))}
    assert reasons["jax_xla"].startswith("'=")
    assert reasons["torch_eager"] == f'a,"b"\n{HOSTILE}', "commas, quotes and lines survive"
    assert cell_row(made[0])["reason"] == '=HYPERLINK("http://evil.example")'


def test_timelines_are_one_trace_whose_calls_follow_each_other(tmp_path: Path) -> None:
    texts = {
        "perfetto:01-linear": json.dumps(trace("qkv: linear", 1.0)),
        "perfetto:00-norm": json.dumps(trace("norm1")),
    }
    out = exported(tmp_path, (record("neuron_nki", "kernels"), texts), (record("jax_xla"), {}))
    (path,) = (out / "traces").iterdir()
    found = json.loads(path.read_text())
    calls = [event for event in found["traceEvents"] if event["ph"] == "X"]
    assert [(event["pid"], event["ts"]) for event in calls] == [(1, 0.0), (2, 6.0)], "after the first one's result"
    names = [event["args"]["name"] for event in found["traceEvents"] if event["ph"] == "M"]
    assert names == ["norm1 (modelled)", "qkv: linear (modelled)"]
    assert found["otherData"] == {"kind": "modelled"}
    assert joined([])["traceEvents"] == []


def test_calls_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    texts = {f"perfetto:{n:02d}-linear": json.dumps(trace(str(n))) for n in (100, 11, 2)}
    (path,) = (exported(tmp_path, (record("neuron_nki", "kernels"), texts)) / "traces").iterdir()
    names = [event["args"]["name"] for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "M"]
    assert names == ["2 (modelled)", "11 (modelled)", "100 (modelled)"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "no list of events"),
        ("[]", "no list of events"),
        ('{"traceEvents": [1]}', "events are not what a trace has"),
        ('{"traceEvents": [{"ph": "X", "ts": "a"}]}', "events are not what a trace has"),
        ('{"traceEvents": [{"ph": "X"', "Expecting"),
    ],
)
def test_a_trace_that_cannot_be_read_is_named_and_the_others_are_written(tmp_path: Path, text: str, why: str) -> None:
    texts = {"perfetto:00-norm": text, "perfetto:01-linear": json.dumps(trace("qkv"))}
    store(tmp_path / "records", record("neuron_nki", "kernels"), **texts)
    words = ("-o", tmp_path / "records", "--to", tmp_path / "page.html", "--export", tmp_path / "out")
    code, said = run(REPORT, *words)
    assert (code, "left out: " in said, why in said) == (0, True, True), said
    (left_out,) = json.loads((tmp_path / "out" / "report.json").read_text())["left_out"]
    assert "perfetto:00-norm" in left_out["why"]
    (path,) = (tmp_path / "out" / "traces").iterdir()
    assert len(json.loads(path.read_text())["traceEvents"]) == 2


def test_stablehlo_is_kept_to_the_letter_with_what_opens_it(tmp_path: Path) -> None:
    out = exported(tmp_path, (record("jax_xla"), {"stablehlo": STABLEHLO}), (record("torch_eager"), {"fx": "x = 1"}))
    (program,) = (out / "stablehlo").glob("*.mlir")
    assert program.read_text() == STABLEHLO
    assert "model-explorer NAME.mlir" in (out / "stablehlo" / "README.md").read_text()


def test_a_text_that_is_gone_is_left_out(tmp_path: Path) -> None:
    store(tmp_path / "records", record("jax_xla"), stablehlo=STABLEHLO)
    next((tmp_path / "records" / "artifacts").iterdir()).unlink()
    out = exported(tmp_path)
    assert not (out / "stablehlo").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    store(tmp_path / "records", record("jax_xla"))
    (tmp_path / "file").write_text("")
    words = ("-o", tmp_path / "records", "--to", tmp_path / "page.html", "--export", tmp_path / "file")
    code, said = run(REPORT, *words)
    assert (code, "give another with --export" in said) == (2, True)


def test_exported_stablehlo_parses_as_mlir(tmp_path: Path) -> None:
    """As Model Explorer reads it: MLIR's parser with StableHLO's and Shardy's dialects."""
    if importlib.util.find_spec("jax") is None:
        if "jax_xla" in REQUIRED:
            pytest.fail("required, and not here: jax")
        pytest.skip("jax is not installed; its MLIR bindings are the parser")
    import jax
    from jax._src.interpreters import mlir
    from jaxlib.mlir import ir

    def block(x: Any) -> Any:
        with jax.named_scope("norm1"):
            return jax.numpy.sin(x) * x

    real = jax.jit(block).lower(jax.ShapeDtypeStruct((4,), "float32")).as_text(debug_info=True)
    out = exported(tmp_path, (record("jax_xla"), {"stablehlo": real}), (record("xla_tpu"), {"stablehlo": STABLEHLO}))
    paths = sorted((out / "stablehlo").glob("*.mlir"))
    assert len(paths) == 2
    with mlir.make_ir_context():
        for path in paths:
            module = ir.Module.parse(path.read_text())
            assert module.operation.verify()
            assert "norm1" in module.operation.get_asm(enable_debug_info=True), "the scopes that group the graph"
        with pytest.raises(ir.MLIRError):
            ir.Module.parse(STABLEHLO.replace("stablehlo.multiply", "stablehlo.multiplied"))


def test_sections_export_the_tables_that_the_page_shows(tmp_path: Path) -> None:
    memory = Memory("hbm", 3 * 2**30, 2 * 2**30, (Buffer(2**30, "f32[8] scores"),))
    unfit = replace(record("xla_tpu"), status=Status.OUT_OF_MEMORY, reason="too large", memory=memory, check=None)
    stated = replace(compiled(), created="2026-01-02T00:00:00.000Z")
    out = exported(tmp_path, (record("jax_xla"), {"hlo": HLO, "nobody-reads-it": "x"}), (unfit, {}), (stated, {}))
    found = json.loads((out / "report.json").read_text())
    (row,) = found["memory"]
    assert (row["backend"], row["memory"], row["needed_bytes"]) == ("xla_tpu", "hbm", 3 * 2**30)
    ceilings = {one["target"]: one for one in found["ceilings"]}
    assert ceilings["cpu"]["measured_flops_per_s"] == 4e11
    assert ceilings["tpu:v5e"]["measured_flops_per_s"] is None, "what the maker states is no measurement"
    assert ceilings["tpu:v5e"]["stated_flops_per_s"] == pytest.approx(197e12 / 6), "float32 takes six passes"
    hlo, unread = found["attribution"]
    assert (hlo["dialect"], hlo["attributed_fraction"], hlo["attributed_by"]) == ("hlo", 1.0, "operation")
    assert (unread["dialect"], unread["attributed_fraction"]) == ("other files", None)
    for name in ("memory", "ceilings", "attribution", "moved"):
        with (out / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [{key: "" if value is None else str(value) for key, value in one.items()} for one in found[name]] == rows
